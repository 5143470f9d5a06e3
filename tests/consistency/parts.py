"""A shop as the checker sees it, whoever started it."""

from pathlib import Path
from time import monotonic_ns
from typing import Final

import msgspec

from keyshop.embedded.postgres import PostgresServer
from tests.consistency.keys import Kind
from tests.consistency.network import Network
from tests.consistency.options import Options
from tests.consistency.processes import Child, python
from tests.consistency.read_persons import Order as ReadOrder
from tests.consistency.redis_server import RedisServer
from tests.consistency.writers.order import Order

PER_SECOND: Final = {
    Kind.FOREIGN: 2.0,
    Kind.SHOP: 3.0,
    Kind.BULK: 0.2,
    Kind.SYNC: 0.5,
    Kind.SLOT: 1.5,
    Kind.FOREIGN_PERSON: 3.0,
    Kind.PERSON: 4.0,
    Kind.GUEST: 2.5,
}
"""Writes of each kind of writer."""


class Parts:
    """What readers, writers and nemeses need of a shop."""

    def __init__(self, notes: Path, options: Options, *, database_url: str) -> None:
        self.notes = notes
        self.database_url = database_url
        self._options = options
        self.began = monotonic_ns()
        self.base_urls: list[str] = []
        self.apis: list[Child] = []
        self.workers: list[Child] = []
        self.writers: list[Child] = []
        self.readers: list[Child] = []
        """Those inside the shop, which read what is one person's."""

        self.products: dict[str, str] = {}
        self.simulator_url: str | None = None
        self.redis: RedisServer | None = None
        self.redis_url: str | None = None
        self.secret: str | None = None
        """What the shop signs access tokens with, if we know it."""

        self.postgres: PostgresServer | None = None
        self.network: Network | None = None

    @property
    def children(self) -> list[Child]:
        """All processes that are started again when they end."""
        return [*self.apis, *self.workers, *self.writers, *self.readers]

    def run(self, module: str, *words: str) -> list[str]:
        """Return the command line of a part of the shop, weakened if that is asked for."""
        if self._options.weakened is None:
            return python(module, *words)
        return python("tests.consistency.weakened", self._options.weakened, module, *words)

    def add_writer(self, kind: Kind, *, env: dict[str, str], logs: Path) -> None:
        """Plan a writer; every start of it has dice and notes of its own."""
        name = f"writer-{kind.name.lower()}"

        def command() -> list[str]:
            order = Order(
                kind=kind,
                per_second=PER_SECOND[kind] * self._options.haste,
                seed=self._options.seed * 1000 + child.starts,
                log=str(self.notes / f"{name}-{child.starts}.writes"),
                database_url=self.database_url,
                began=self.began,
                simulator_url=self.simulator_url,
                products=self.products,
            )
            return self.run("tests.consistency.writers", msgspec.json.encode(order).decode())

        child = Child(name, command, env=env, log=logs / f"{name}.log")
        self.writers.append(child)

    def add_reader(self, place: int, *, env: dict[str, str], logs: Path) -> None:
        """Plan a reader of what is one person's; every start of it has dice and notes of its own."""
        name = f"persons{place}"

        def command() -> list[str]:
            order = ReadOrder(
                api=len(self.base_urls) + place,
                at_once=max(1, self._options.connections // 2),
                seed=(self._options.seed + place) * 1000 + child.starts,
                log=str(self.notes / f"{name}-{child.starts}.reads"),
                figures=str(self.notes / f"{name}-{child.starts}.figures"),
            )
            return self.run("tests.consistency.read_persons", msgspec.json.encode(order).decode())

        child = Child(name, command, env=env, log=logs / f"{name}.log")
        self.readers.append(child)
