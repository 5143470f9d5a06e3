"""Entries of the supplier's list that are rejected, each on its own."""

from decimal import Decimal
from typing import Final

import pytest

from keyshop.kit.database.pool import Database
from keyshop.sync.rules import RunState
from tests.factories.syncs import (
    change,
    check_stock,
    count,
    expected_price,
    list_quarantined,
    read_game,
    read_games,
    sync,
)

BROKEN: Final = [
    ({"minPrice": -5}, "minPrice is negative"),
    ({"retail_min_price": -0.01}, "retail_min_price is negative"),
    ({"minPrice": 10**12}, "higher than the shop can store"),
    ({"minPrice": "free"}, "minPrice is not a number"),
    ({"minPrice": 99_999_999}, "outside the range that the shop can store"),
    ({"qty": -1}, "qty is negative"),
    ({"qty": 1.5}, "qty is not a whole number"),
    ({"qty": 2**40}, "qty is more than"),
    ({"name": "\0 \0"}, "no name"),
    ({"availableToBuy": "perhaps"}, "neither true nor false"),
]


class TestQuarantine:
    async def test_takes_invalid_entries_and_leaves_their_neighbours(self, db, supplier, market):
        broken = dict(zip(market.first_ids(len(BROKEN)), BROKEN, strict=True))
        for product_id, (fields, _) in broken.items():
            market.break_product(product_id, **fields)

        run = await sync(db, supplier)

        found = await list_quarantined(db)
        assert (run.state, run.rejected) == (RunState.COMPLETE, len(BROKEN))
        assert run.added == run.products == 60 - len(BROKEN)
        assert (await read_games(db)).keys() == set(market.product_ids()) - broken.keys()
        assert found.keys() == broken.keys()
        assert [id_ for id_, (_, reason) in broken.items() if reason not in found[id_]] == []

    async def test_takes_entries_without_a_required_field(self, db, supplier, market):
        unpriced, nameless, anonymous = market.first_ids(3)
        market.break_product(unpriced, without=["minPrice"])
        market.break_product(nameless, without=["name"])
        market.break_product(anonymous, without=["id"])

        run = await sync(db, supplier)

        assert (run.state, run.added, run.rejected) == (RunState.COMPLETE, 57, 3)
        assert (await list_quarantined(db)).keys() == {unpriced, nameless, ""}

    async def test_takes_an_unknown_product_without_a_price(self, db, supplier, market) -> None:
        free, sold_out = market.first_ids(2)
        market.break_product(free, minPrice=0, retail_min_price=0, qty=5)
        market.break_product(sold_out, minPrice=0, retail_min_price=0, qty=0)

        run = await sync(db, supplier)

        found = await list_quarantined(db)
        assert (run.state, run.added, run.unknown) == (RunState.COMPLETE, 58, 2)
        assert found.keys() == {free, sold_out}
        assert "no price above zero" in found[free]

    async def test_leaves_a_known_game_as_it_is(self, db, supplier, market) -> None:
        broken = market.first_ids(1)[0]
        market.set_product(broken, qty=5, availableToBuy=True)
        await sync(db, supplier)
        before = await read_game(db, broken)
        market.break_product(broken, minPrice=-1, qty=0, availableToBuy=False)

        runs = [await sync(db, supplier), await check_stock(db, supplier)]

        assert [run.state for run in runs] == [RunState.COMPLETE] * 2
        assert await read_game(db, broken) == before

    async def test_removes_bytes_that_no_column_can_store(self, db, supplier, market):
        product_id = market.first_ids(1)[0]
        market.break_product(product_id, name="Por\0tal", publisher="P\0", region="\0")

        run = await sync(db, supplier)

        game = await read_game(db, product_id)
        assert run.state is RunState.COMPLETE
        assert (game["title"], game["publisher"], game["region"]) == ("Portal", "P", None)

    async def test_releases_a_product_that_is_valid_again(self, db, supplier, market) -> None:
        healed, still_ill = market.first_ids(2)
        market.break_product(healed, minPrice=-1)
        market.break_product(still_ill, minPrice=-1)
        await sync(db, supplier)
        market.break_product(healed)

        run = await sync(db, supplier)

        assert run.added == 1
        assert (await list_quarantined(db)).keys() == {still_ill}
        assert (await read_game(db, healed))["price"] == expected_price(market, healed)

    async def test_releases_it_although_another_page_is_lost(self, db, supplier, market) -> None:
        healed = market.first_ids(1)[0]
        market.break_product(healed, minPrice=-1)
        await sync(db, supplier)
        market.break_product(healed)
        market.settings.page_ceiling = 2

        run = await sync(db, supplier)

        assert run.state is RunState.INCOMPLETE
        assert await list_quarantined(db) == {}

    async def test_names_only_the_newest_reason(self, db, supplier, market) -> None:
        ill = market.first_ids(1)[0]
        market.break_product(ill, minPrice=-1)
        await sync(db, supplier)
        market.break_product(ill, qty=-1)

        await check_stock(db, supplier)

        assert await count(db, "keyshop.sync_quarantine") == 1
        assert "qty is negative" in (await list_quarantined(db))[ill]

    async def test_releases_products_that_left_the_list(self, db, supplier, market) -> None:
        ill = market.first_ids(1)[0]
        market.break_product(ill, minPrice=-1)
        await sync(db, supplier)
        market.remove_product(ill)

        await sync(db, supplier)

        assert await list_quarantined(db) == {}

    async def test_keeps_unpriced_products_through_a_stock_check(self, db, supplier, market):
        free = market.first_ids(1)[0]
        market.break_product(free, minPrice=0, retail_min_price=0)
        await sync(db, supplier)

        run = await check_stock(db, supplier)

        assert run.unknown == 1
        assert (await list_quarantined(db)).keys() == {free}

    async def test_keeps_what_a_stock_check_rejected_while_the_full_sync_ran(
        self, db: Database, supplier, market
    ) -> None:
        ill = market.first_ids(1)[0]
        market.break_product(ill, minPrice=-1)
        await sync(db, supplier)
        # The stock check sees it last, after the full sync has read its page.
        await change(db, "UPDATE keyshop.sync_quarantine SET run_id = 'of a stock check'")
        await change(
            db, "UPDATE keyshop.sync_quarantine SET last_seen_at = now() + interval '1 minute'"
        )
        market.settings.page_ceiling = None
        market.remove_product(ill)

        await sync(db, supplier)

        assert (await list_quarantined(db)).keys() == {ill}


class TestStockOfProducts:
    @pytest.mark.parametrize(
        ("trust_qty", "sold"), [(False, [True, False, False]), (True, [True, True, False])]
    )
    async def test_follows_quantity_and_flag(self, db, supplier, market, trust_qty, sold) -> None:
        both, only_keys, only_flag = market.first_ids(3)
        market.break_product(both, qty=5, availableToBuy=True)
        market.break_product(only_keys, qty=5, availableToBuy=False)
        market.break_product(only_flag, qty=0, availableToBuy=True)

        await sync(db, supplier, trust_qty=trust_qty)

        games = [await read_game(db, product_id) for product_id in (both, only_keys, only_flag)]
        assert [game["inStock"] for game in games] == sold
        assert [game["g2aStock"] for game in games] == sold

    async def test_ends_for_a_known_product_without_price_and_stock(self, db, supplier, market):
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, minPrice=10, retail_min_price=0, qty=5, availableToBuy=True)
        await sync(db, supplier)
        market.break_product(product_id, minPrice=0, retail_min_price=0, qty=0)

        run = await sync(db, supplier)

        game = await read_game(db, product_id)
        assert (run.state, run.updated, run.rejected) == (RunState.COMPLETE, 1, 0)
        assert (game["price"], game["inStock"]) == (Decimal("10.20"), False)

    async def test_stays_for_a_known_product_with_stock_and_no_price(self, db, supplier, market):
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, minPrice=10, retail_min_price=0, qty=5, availableToBuy=True)
        await sync(db, supplier)
        before = await read_game(db, product_id)
        market.break_product(product_id, minPrice=0, retail_min_price=0, qty=5)

        await check_stock(db, supplier)

        assert await read_game(db, product_id) == before
