"""Many random changes and failures of the supplier, with many runs of the sync."""

import asyncio
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

import pytest

from g2a_simulator.market import Market
from keyshop.kit.database.pool import Database
from keyshop.sync.rules import RunKind, RunState
from tests.factories.syncs import (
    PausingClient,
    count,
    expected_price,
    is_sold,
    list_quarantined,
    read_games,
    read_links,
    read_versions,
    sync,
)

ROUNDS: Final = 12
FAULTS: Final = [
    "server_error",
    "bad_gateway",
    "garbage",
    "cut_body",
    "lost_answer",
    "reset",
    "short_page",
]
BROKEN_FIELDS: Final[list[dict[str, Any]]] = [
    {"minPrice": -1},
    {"minPrice": "?"},
    {"qty": -1},
    {"name": ""},
]
WORDS: Final = ["Action", "Puzzle", "Racing", "RPG", "Cosy"]
PLATFORMS: Final = ["Steam", "GOG", "Xbox", ""]

State = tuple[Decimal, bool]


class SupplierHistory:
    """Changes the supplier at random, and records every state of each product."""

    def __init__(self, market: Market, seed: int) -> None:
        self._market = market
        self._dice = random.Random(seed)
        self._next_id = 90_000_000_000_000
        self.broken: set[str] = set()
        self.had: defaultdict[str, set[State]] = defaultdict(set)
        for product_id in market.product_ids():
            self._note(product_id)

    def change_something(self) -> None:
        """Change, add, break, repair or remove one product."""
        dice, product_id = self._dice, self._dice.choice(self._market.product_ids())
        match dice.choice(["price", "price", "stock", "stock", "name", "words", "list", "break"]):
            case "price":
                self._set(product_id, minPrice=dice.randint(1, 99_999) / 100)
            case "stock":
                self._set(product_id, qty=dice.choice([0, 1, 9]), availableToBuy=None)
            case "name":
                self._set(product_id, name=dice.choice(["Portal", "Portal 2", "ポータル"]))
            case "words":
                names = dice.sample(WORDS, dice.randint(0, 3))
                self._set(
                    product_id,
                    platform=dice.choice(PLATFORMS),
                    categories=[{"id": 1, "name": name} for name in names],
                )
            case "list":
                self._add_or_remove(product_id)
            case "break":
                self._break_or_repair(product_id)

    def make_calls_fail(self) -> None:
        """Make some or all calls of the list fail."""
        for _ in range(self._dice.randint(0, 2)):
            kind, rate = self._dice.choice(FAULTS), self._dice.choice([0.2, 0.7, 1])
            self._market.faults.rate("products", kind, rate)

    async def change_while(self, run: "asyncio.Task[object]") -> None:
        """Change the supplier's list while it is being read."""
        while not run.done():
            self.change_something()
            await asyncio.sleep(0.002)

    def _set(self, product_id: str, **fields: object) -> None:
        if product_id not in self.broken:
            self._market.set_product(product_id, **fields)
            self._note(product_id)

    def _add_or_remove(self, product_id: str) -> None:
        if self._dice.random() < 0.5:
            self._next_id += 1
            self._market.add_product(str(self._next_id))
            self._set(str(self._next_id), name="Portal", minPrice=self._dice.randint(1, 50))
        else:
            self._market.remove_product(product_id)
            self.broken.discard(product_id)

    def _break_or_repair(self, product_id: str) -> None:
        if product_id in self.broken:
            self._market.break_product(product_id)
            self.broken.discard(product_id)
            self._note(product_id)
        elif self._dice.random() < 0.3:
            self._market.break_product(product_id, **self._dice.choice(BROKEN_FIELDS))
            self.broken.add(product_id)

    def _note(self, product_id: str) -> None:
        state = expected_price(self._market, product_id), is_sold(self._market, product_id)
        self.had[product_id].add(state)


async def assert_nothing_was_invented(db: Database, history: SupplierHistory) -> None:
    for product_id, game in (await read_games(db)).items():
        assert (game["price"], game["inStock"]) in history.had[product_id]
        assert game["inStock"] is game["g2aStock"]


async def assert_same_as_supplier(db: Database, market: Market, history: SupplierHistory) -> None:
    games, listed = await read_games(db), set(market.product_ids())
    assert listed - history.broken <= games.keys()
    for product_id in listed - history.broken:
        game, product = games[product_id], market.product(product_id)
        assert game["price"] == expected_price(market, product_id)
        assert game["inStock"] is is_sold(market, product_id)
        assert game["title"] == product["name"]
        wanted = {category["name"] for category in product["categories"]}
        assert await read_links(db, "genres", product_id) == wanted
        assert await read_links(db, "categories", product_id) == wanted
        assert await read_links(db, "platforms", product_id) == {product["platform"]} - {""}
    slugs = [game["slug"] for game in games.values()]
    assert len(set(slugs)) == len(slugs)
    assert set(await list_quarantined(db)) <= history.broken


class TestShop:
    @pytest.mark.parametrize("seed", [1, 2])
    async def test_shows_exactly_the_states_of_the_supplier(
        self, db: Database, supplier: PausingClient, market: Market, seed: int
    ) -> None:
        history = SupplierHistory(market, seed)
        slugs: dict[str, str] = {}

        for _ in range(ROUNDS):
            for _ in range(15):
                history.change_something()
            history.make_calls_fail()

            # Both kinds of run, while the list changes.
            full = asyncio.create_task(sync(db, supplier, max_parallel_pages=2))
            stock = asyncio.create_task(sync(db, supplier, RunKind.STOCK, max_parallel_pages=2))
            runs = asyncio.gather(full, stock)
            await history.change_while(full)
            states = {run.state for run in await runs}
            assert states <= {RunState.COMPLETE, RunState.INCOMPLETE}
            await assert_nothing_was_invented(db, history)

            # The supplier works again and does not change.
            market.faults.clear()
            healed = await sync(db, supplier)
            assert healed.state is RunState.COMPLETE
            await assert_same_as_supplier(db, market, history)
            await assert_nothing_was_invented(db, history)

            # A slug never changes.
            games = await read_games(db)
            assert {id_: games[id_]["slug"] for id_ in slugs} == slugs
            slugs = {id_: game["slug"] for id_, game in games.items()}
            assert healed.unseen == len(games.keys() - set(market.product_ids()))

        before = await read_versions(db, "games")
        await sync(db, supplier)
        assert await read_versions(db, "games") == before
        assert await count(db, "games") == len(slugs)
