"""The parts of a shop that the checker works with."""

from pathlib import Path
from time import monotonic_ns
from typing import Final

import msgspec

from keyshop.embedded.postgres import PostgresServer
from tests.consistency.keys import Kind
from tests.consistency.network import Network
from tests.consistency.options import Options
from tests.consistency.processes import Child, python
from tests.consistency.read_persons import PersonReaderConfig
from tests.consistency.redis_server import RedisServer
from tests.consistency.writers.config import WriterConfig

PER_SECOND: Final = {
    Kind.FOREIGN: 2.0,
    Kind.SHOP: 3.0,
    Kind.BULK: 0.2,
    Kind.SYNC: 0.5,
    Kind.SLOT: 1.5,
    Kind.FOREIGN_PERSON: 3.0,
    Kind.PERSON: 4.0,
    Kind.GUEST: 2.5,
    Kind.BUYER: 2.5,
    Kind.FOREIGN_BUYER: 2.0,
}
"""Writes a second, by kind of writer."""


class Parts:
    """The servers, processes and addresses of a shop that readers, writers and nemeses use."""

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
        """Processes that read personal data by calling the shop directly."""

        self.products: dict[str, str] = {}
        self.simulator_url: str | None = None
        self.redis: RedisServer | None = None
        self.redis_url: str | None = None
        self.secret: str | None = None
        """The shop's secret for access tokens; None when it is not known."""

        self.postgres: PostgresServer | None = None
        self.network: Network | None = None

    @property
    def children(self) -> list[Child]:
        """All processes that are started again when they end."""
        return [*self.apis, *self.workers, *self.writers, *self.readers]

    def run(self, module: str, *words: str) -> list[str]:
        """Return the command line of a module of the shop, weakened when the options say so."""
        if self._options.weakened is None:
            return python(module, *words)
        return python("tests.consistency.weakened", self._options.weakened, module, *words)

    def add_writer(self, kind: Kind, *, env: dict[str, str], logs: Path) -> None:
        """Plan a writer; every start of it has its own seed and notes."""
        name = f"writer-{kind.name.lower()}"

        def command() -> list[str]:
            config = WriterConfig(
                kind=kind,
                per_second=PER_SECOND[kind] * self._options.haste,
                seed=self._options.seed * 1000 + child.starts,
                log=str(self.notes / f"{name}-{child.starts}.writes"),
                database_url=self.database_url,
                began=self.began,
                simulator_url=self.simulator_url,
                products=self.products,
            )
            return self.run("tests.consistency.writers", msgspec.json.encode(config).decode())

        child = Child(name, command, env=env, log=logs / f"{name}.log")
        self.writers.append(child)

    def add_reader(self, place: int, *, env: dict[str, str], logs: Path) -> None:
        """Plan a reader of personal data; every start of it has its own seed and notes."""
        name = f"persons{place}"

        def command() -> list[str]:
            config = PersonReaderConfig(
                api=len(self.base_urls) + place,
                max_parallel=max(1, self._options.connections // 2),
                seed=(self._options.seed + place) * 1000 + child.starts,
                log=str(self.notes / f"{name}-{child.starts}.reads"),
                metrics=str(self.notes / f"{name}-{child.starts}.metrics"),
            )
            return self.run("tests.consistency.read_persons", msgspec.json.encode(config).decode())

        child = Child(name, command, env=env, log=logs / f"{name}.log")
        self.readers.append(child)
