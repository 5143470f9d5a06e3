"""Promo codes are found in any case, used as often as they may be, and given back once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Invalid, ShopError
from keyshop.kit.ids import new_id
from keyshop.promotions.check_promo import check_promo
from keyshop.promotions.create_promo import create_promo
from keyshop.promotions.errors import (
    InvalidPromo,
    PromoExists,
    PromoNotActive,
    PromoNotValidNow,
    PromoUsedUp,
)
from keyshop.promotions.give_back import give_back
from keyshop.promotions.models import NewPromo, Promo
from keyshop.promotions.use_promo import use_promo
from tests.factories.games import NOON
from tests.factories.promos import make_promo
from tests.servers import Postgres, copied_database

DAY = timedelta(days=1)


@pytest_asyncio.fixture(scope="module")
async def shared_db(postgres_server: Postgres, template_database: str) -> AsyncIterator[Database]:
    """One database for the tests of this module."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None), max_size=20)
        await database.open()
        yield database
        await database.close()


@pytest_asyncio.fixture
async def db(shared_db: Database) -> Database:
    """The shared database without promo codes."""
    async with shared_db.transaction() as tx:
        await tx.execute("DELETE FROM promo_codes")
        await tx.execute("DELETE FROM keyshop.promo_uses")
    return shared_db


async def check(db: Database, code: str, *, now=NOON) -> Promo:
    async with db.read() as reader:
        return await check_promo(reader, code, now=now)


async def use(db: Database, promo: Promo, *, fail: bool = False) -> str:
    order_id = new_id()
    async with db.transaction() as tx:
        await use_promo(tx, promo, order_id=order_id, now=NOON)
        if fail:
            raise ShopError("The order failed.")
    return order_id


async def used_count(db: Database) -> int:
    async with db.read() as reader:
        found: int = await reader.fetchval('SELECT "usedCount" FROM promo_codes')
        return found


async def create(db: Database, **overrides: Any) -> NewPromo:
    given: dict[str, Any] = {
        "code": "Winter-20",
        "percent": Decimal(20),
        "max_uses": None,
        "valid_from": NOON,
        "valid_until": NOON + DAY,
    }
    async with db.transaction() as tx:
        return await create_promo(tx, NewPromo(**given | overrides), by="olga", now=NOON)


class TestCheck:
    @pytest.mark.parametrize("written", ["SUMMER", "summer", "sUmMeR"])
    @pytest.mark.parametrize("stored", ["SUMMER", "Summer"])
    async def test_finds_a_code_in_any_case(self, db: Database, stored: str, written: str):
        await make_promo(db, code=stored)

        assert (await check(db, written)).code == stored

    async def test_prefers_the_code_exactly_as_it_is_written(self, db: Database):
        for stored in ("SUMMER", "summer"):
            await make_promo(db, code=stored)

        assert (await check(db, "summer")).code == "summer"
        assert (await check(db, "Summer")).code == "SUMMER"

    @pytest.mark.parametrize(
        ("columns", "refusal"),
        [
            ({"code": "OTHER"}, InvalidPromo),
            ({"discount": Decimal(0)}, InvalidPromo),
            ({"discount": Decimal(-10)}, InvalidPromo),
            ({"discount": Decimal("100.01")}, InvalidPromo),
            ({"discount": Decimal("NaN")}, InvalidPromo),
            ({"active": False}, PromoNotActive),
            ({"validFrom": NOON + timedelta(milliseconds=1)}, PromoNotValidNow),
            ({"validUntil": NOON - timedelta(milliseconds=1)}, PromoNotValidNow),
            ({"maxUses": 3, "usedCount": 3}, PromoUsedUp),
            ({"maxUses": 3, "usedCount": 4}, PromoUsedUp),
            ({"maxUses": 0}, PromoUsedUp),
        ],
    )
    async def test_refuses_a_code_that_may_not_be_used(
        self, db: Database, columns: dict[str, Any], refusal: type[ShopError]
    ):
        await make_promo(db, **{"code": "SUMMER"} | columns)

        with pytest.raises(refusal):
            await check(db, "summer")

    async def test_refuses_what_no_code_can_be(self, db: Database):
        await make_promo(db, code="SUMMER")

        for written in ("", "SUMMER OR true", "SUMMER%", "S" * 100_000):
            with pytest.raises(InvalidPromo):
                await check(db, written)


class TestUse:
    async def test_of_a_code_for_five_is_counted_five_times_by_fifty_orders(self, db: Database):
        await make_promo(db, code="FIVE", maxUses=5)
        # All of them have found it unused.
        promo = await check(db, "FIVE")

        outcomes = await asyncio.gather(
            *(use(db, promo) for _ in range(50)), return_exceptions=True
        )

        assert sum(isinstance(outcome, str) for outcome in outcomes) == 5
        assert sum(isinstance(outcome, PromoUsedUp) for outcome in outcomes) == 45
        assert await used_count(db) == 5

    async def test_of_an_order_that_fails_is_not_counted(self, db: Database):
        promo = await make_promo(db, maxUses=1)

        with pytest.raises(ShopError):
            await use(db, promo, fail=True)

        assert await used_count(db) == 0
        assert await use(db, promo)

    async def test_is_refused_of_a_code_that_was_switched_off_or_deleted_since(self, db: Database):
        for change in ("UPDATE promo_codes SET active = false", "DELETE FROM promo_codes"):
            promo = await make_promo(db)
            async with db.transaction() as tx:
                await tx.execute(change)

            with pytest.raises(PromoUsedUp):
                await use(db, promo)

    async def test_is_given_back_once_by_twenty_refunds(self, db: Database):
        promo = await make_promo(db, maxUses=2)
        orders = [await use(db, promo) for _ in range(2)]

        async def refund() -> bool:
            async with db.transaction() as tx:
                return await give_back(tx, orders[0], now=NOON)

        given_back = await asyncio.gather(*(refund() for _ in range(20)))

        assert sum(given_back) == 1
        assert await used_count(db) == 1
        assert await use(db, promo)

    async def test_is_not_given_back_by_an_order_without_a_code(self, db: Database):
        await make_promo(db, usedCount=1)

        async with db.transaction() as tx:
            assert not await give_back(tx, new_id(), now=NOON)

        assert await used_count(db) == 1

    async def test_is_given_back_where_the_code_is_deleted_or_set_to_zero(self, db: Database):
        for change in (
            'UPDATE promo_codes SET "usedCount" = 0', "DELETE FROM promo_codes"
        ):  # fmt: skip
            order_id = await use(db, await make_promo(db, code=new_id()))

            async with db.transaction() as tx:
                await tx.execute(change)
                assert await give_back(tx, order_id, now=NOON)
                left = await tx.fetch('SELECT "usedCount" FROM promo_codes')

            assert [tuple(row) for row in left] in ([(0,)], [])


class TestCreate:
    async def test_stores_the_code_in_upper_case(self, db: Database):
        created = await create(db, code=" Winter-20 ", max_uses=7)

        found = await check(db, "winter-20")
        assert created.code == "WINTER-20"
        assert (found.code, found.percent, found.max_uses) == ("WINTER-20", Decimal("20.00"), 7)

    @pytest.mark.parametrize("stored", ["WINTER-20", "winter-20"])
    async def test_refuses_a_code_that_exists_in_another_case(self, db: Database, stored: str):
        await make_promo(db, code=stored)

        with pytest.raises(PromoExists, match=stored):
            await create(db)

    async def test_lets_one_of_parallel_operators_create_a_code(self, db: Database):
        outcomes = await asyncio.gather(*(create(db) for _ in range(10)), return_exceptions=True)

        assert [type(outcome) for outcome in outcomes].count(NewPromo) == 1
        assert [type(outcome) for outcome in outcomes].count(PromoExists) == 9

    @pytest.mark.parametrize(
        "overrides",
        [
            {"code": " "},
            {"code": "TWO WORDS"},
            {"code": "ÄPFEL"},
            {"code": "A" * 101},
            {"percent": Decimal(0)},
            {"percent": Decimal("-0.01")},
            {"percent": Decimal("100.01")},
            {"percent": Decimal("33.333")},
            {"percent": Decimal("NaN")},
            {"percent": Decimal("Infinity")},
            {"valid_until": NOON},
            {"max_uses": 0},
            {"max_uses": 2**31},
        ],
    )
    async def test_refuses_a_code_that_could_not_be_used(
        self, db: Database, overrides: dict[str, Any]
    ):
        with pytest.raises(Invalid):
            await create(db, **overrides)
