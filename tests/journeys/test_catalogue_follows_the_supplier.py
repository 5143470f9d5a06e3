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
SPOILT: Final[list[dict[str, Any]]] = [
    {"minPrice": -1},
    {"minPrice": "?"},
    {"qty": -1},
    {"name": ""},
]
WORDS: Final = ["Action", "Puzzle", "Racing", "RPG", "Cosy"]
PLATFORMS: Final = ["Steam", "GOG", "Xbox", ""]

State = tuple[Decimal, bool]


class Chronicle:
    """Changes the supplier at random, and records every state of each product."""

    def __init__(self, market: Market, seed: int) -> None:
        self._market = market
        self._dice = random.Random(seed)
        self._next_id = 90_000_000_000_000
        self.spoilt: set[str] = set()
        self.had: defaultdict[str, set[State]] = defaultdict(set)
        for product_id in market.product_ids():
            self._note(product_id)

    def change_something(self) -> None:
        """Change, add, break, repair or remove one product."""
        dice, product_id = self._dice, self._dice.choice(self._market.product_ids())
        match dice.choice(["price", "price", "stock", "stock", "name", "words", "list", "spoil"]):
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
                self._come_or_go(product_id)
            case "spoil":
                self._spoil_or_mend(product_id)

    def fail_somehow(self) -> None:
        """Make some or all calls of the list fail."""
        for _ in range(self._dice.randint(0, 2)):
            kind, rate = self._dice.choice(FAULTS), self._dice.choice([0.2, 0.7, 1])
            self._market.faults.rate("products", kind, rate)

    async def go_on_while(self, run: "asyncio.Task[object]") -> None:
        """Change the supplier's list while it is being read."""
        while not run.done():
            self.change_something()
            await asyncio.sleep(0.002)

    def _set(self, product_id: str, **fields: object) -> None:
        if product_id not in self.spoilt:
            self._market.set_product(product_id, **fields)
            self._note(product_id)

    def _come_or_go(self, product_id: str) -> None:
        if self._dice.random() < 0.5:
            self._next_id += 1
            self._market.add_product(str(self._next_id))
            self._set(str(self._next_id), name="Portal", minPrice=self._dice.randint(1, 50))
        else:
            self._market.remove_product(product_id)
            self.spoilt.discard(product_id)

    def _spoil_or_mend(self, product_id: str) -> None:
        if product_id in self.spoilt:
            self._market.break_product(product_id)
            self.spoilt.discard(product_id)
            self._note(product_id)
        elif self._dice.random() < 0.3:
            self._market.break_product(product_id, **self._dice.choice(SPOILT))
            self.spoilt.add(product_id)

    def _note(self, product_id: str) -> None:
        state = expected_price(self._market, product_id), is_sold(self._market, product_id)
        self.had[product_id].add(state)


async def assert_nothing_was_invented(db: Database, chronicle: Chronicle) -> None:
    for product_id, game in (await read_games(db)).items():
        assert (game["price"], game["inStock"]) in chronicle.had[product_id]
        assert game["inStock"] is game["g2aStock"]


async def assert_same_as_supplier(db: Database, market: Market, chronicle: Chronicle) -> None:
    games, listed = await read_games(db), set(market.product_ids())
    assert listed - chronicle.spoilt <= games.keys()
    for product_id in listed - chronicle.spoilt:
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
    assert set(await list_quarantined(db)) <= chronicle.spoilt


class TestShop:
    @pytest.mark.parametrize("seed", [1, 2])
    async def test_shows_what_the_supplier_has_and_never_anything_else(
        self, db: Database, supplier: PausingClient, market: Market, seed: int
    ) -> None:
        chronicle = Chronicle(market, seed)
        slugs: dict[str, str] = {}

        for _ in range(ROUNDS):
            for _ in range(15):
                chronicle.change_something()
            chronicle.fail_somehow()

            # Both kinds of run, while the list changes.
            full = asyncio.create_task(sync(db, supplier, max_parallel_pages=2))
            stock = asyncio.create_task(sync(db, supplier, RunKind.STOCK, max_parallel_pages=2))
            runs = asyncio.gather(full, stock)
            await chronicle.go_on_while(full)
            states = {run.state for run in await runs}
            assert states <= {RunState.COMPLETE, RunState.INCOMPLETE}
            await assert_nothing_was_invented(db, chronicle)

            # The supplier works again and does not change.
            market.faults.clear()
            healed = await sync(db, supplier)
            assert healed.state is RunState.COMPLETE
            await assert_same_as_supplier(db, market, chronicle)
            await assert_nothing_was_invented(db, chronicle)

            # A slug never changes.
            games = await read_games(db)
            assert {id_: games[id_]["slug"] for id_ in slugs} == slugs
            slugs = {id_: game["slug"] for id_, game in games.items()}
            assert healed.unseen == len(games.keys() - set(market.product_ids()))

        before = await read_versions(db, "games")
        await sync(db, supplier)
        assert await read_versions(db, "games") == before
        assert await count(db, "games") == len(slugs)
