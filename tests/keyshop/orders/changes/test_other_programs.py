"""Prisma's statements beside orders: no key is sold twice, and no money lacks an explanation."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random

import asyncpg
import pytest
import pytest_asyncio

from keyshop.kit.clock import utc_now
from keyshop.kit.database.errors import DatabaseBusy
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from keyshop.orders.cancel import cancel_own_order
from keyshop.orders.deliver import deliver
from keyshop.orders.errors import KeyNotFree, OrderNotFound
from keyshop.orders.refund import refund
from keyshop.orders.refund_order import refund_order
from keyshop.orders.refund_orphans import refund_orphans
from tests.factories.changed_orders import OrderDesk
from tests.factories.customers import jobs, select_rows
from tests.factories.games import NOON
from tests.factories.promos import make_promo
from tests.factories.wallet import balance_of, ledger_of, make_customer

# As Prisma's client writes them.
DELETE_ORDER = 'DELETE FROM "public"."orders" WHERE ("public"."orders"."id" = $1 AND 1=1)'
DELETE_USER = 'DELETE FROM "public"."users" WHERE ("public"."users"."id" = $1 AND 1=1)'
DELETE_GAME = 'DELETE FROM "public"."games" WHERE ("public"."games"."id" = $1 AND 1=1)'
DELETE_KEY = 'DELETE FROM "public"."game_keys" WHERE ("public"."game_keys"."id" = $1 AND 1=1)'
ASSIGN_KEY = """
    UPDATE "public"."game_keys" SET "orderId" = $2, "activated" = true
    WHERE ("public"."game_keys"."id" = $1 AND 1=1)
"""
EDIT_BALANCE = """
    UPDATE "public"."users" SET "balance" = ("public"."users"."balance" + $2)
    WHERE ("public"."users"."id" = $1 AND 1=1)
"""
RENAME_USER = 'UPDATE "public"."users" SET "id" = $2 WHERE "public"."users"."id" = $1'
RENAME_ORDER = 'UPDATE "public"."orders" SET "id" = $2 WHERE "public"."orders"."id" = $1'
RENAME_GAME = 'UPDATE "public"."games" SET "id" = $2 WHERE "public"."games"."id" = $1'
SET_STATUS = """
    UPDATE "public"."orders" SET "status" = $2::text::"public"."OrderStatus"
    WHERE ("public"."orders"."id" = $1 AND 1=1)
"""

# In the vault; another program may have deleted the row of game_keys.
_WITHOUT_KEY = """
    SELECT u.id FROM keyshop.order_units AS u
    LEFT JOIN keyshop.vault_keys AS v ON v.id = u.vault_key_id AND v.unit_id = u.id
        AND v.state = CASE u.state WHEN 'DELIVERED' THEN 'delivered' ELSE 'revoked' END
    WHERE u.vault_key_id IS NOT NULL AND v.id IS NULL
"""
_IS_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest_asyncio.fixture
async def prisma(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of another program."""
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "prisma"})
    yield connection
    await connection.close()


async def _refund_orphans(db: Database) -> int:
    return await refund_orphans(db, now=utc_now())


async def _until_one_waits(db: Database) -> None:
    async with db.read() as reader, asyncio.timeout(10):
        while not await reader.fetchval(_IS_WAITING):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.005)


class TestDeletedOrder:
    async def test_is_refunded_once_with_its_promo_code(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        promo = await make_promo(db)
        order_id = await desk.place(alice, {await desk.add_game(): 2}, promo=promo.code)

        await prisma.execute(DELETE_ORDER, order_id)
        refunded = await asyncio.gather(*(_refund_orphans(db) for _ in range(8)))

        assert sum(refunded) == 2
        assert await _refund_orphans(db) == 0
        assert await desk.states(order_id) == ["ORPHANED", "ORPHANED"]
        assert await balance_of(db, alice) == Decimal("100.00")
        [*_, row] = await ledger_of(db, alice)
        assert (row["type"], row["amount"]) == ("REFUND", Decimal("18.00"))
        assert {
            tuple(each) for each in await select_rows(db, "SELECT reason, by FROM keyshop.refunds")
        } == {("order deleted", "shop")}
        [used] = await select_rows(db, 'SELECT "usedCount" AS count FROM promo_codes')
        assert used["count"] == 0
        assert [name for name, _ in await jobs(db)].count("mail_unit_refunded") == 1
        assert await desk.violations() == []

    async def test_with_a_delivered_key_keeps_it_sold(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        promo = await make_promo(db)
        game = await desk.add_game(keys=1)
        order_id = await desk.place(alice, {game: 2}, promo=promo.code)

        await prisma.execute(DELETE_ORDER, order_id)
        await _refund_orphans(db)

        assert sorted(await desk.states(order_id)) == ["DELIVERED", "ORPHANED"]
        assert await balance_of(db, alice) == Decimal("91.00")
        [used] = await select_rows(db, 'SELECT "usedCount" AS count FROM promo_codes')
        assert used["count"] == 1
        another = await desk.place(alice, {game: 1})
        assert await desk.states(another) == ["OPEN"]
        with pytest.raises(OrderNotFound):
            await refund_order(db, order_id, by="olga", reason="gone", now=NOON)
        assert await desk.violations() == []

    async def test_of_a_deleted_customer_is_closed(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 2})
        [unit, _] = await desk.list_units(order_id)

        await prisma.execute(DELETE_USER, alice)

        assert await _refund_orphans(db) == 0
        assert await desk.states(order_id) == ["ORPHANED", "ORPHANED"]
        due = await select_rows(db, "SELECT FROM keyshop.order_units WHERE next_at IS NOT NULL")
        assert due == []
        assert await db.run(lambda tx: refund(tx, unit, "late", now=NOON), attempts=1) is None
        assert await desk.violations() == []

    async def test_waits_while_it_is_unknown_what_was_lost(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        await prisma.execute(DELETE_ORDER, order_id)
        await prisma.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")

        assert await _refund_orphans(db) == 0
        await prisma.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = false")
        assert await _refund_orphans(db) == 1

    async def test_while_a_refund_waits_for_it_is_refunded_as_an_orphan(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        [unit] = await desk.list_units(order_id)

        async with prisma.transaction():
            await prisma.execute(DELETE_ORDER, order_id)
            refunding = asyncio.create_task(
                db.run(lambda tx: refund(tx, unit, "late", now=NOON), attempts=1)
            )
            cancelling = asyncio.create_task(
                cancel_own_order(db, order_id, user_id=alice, now=NOON)
            )
            await _until_one_waits(db)

        assert await refunding is None
        with pytest.raises(OrderNotFound):
            await cancelling
        assert await _refund_orphans(db) == 1
        assert await balance_of(db, alice) == Decimal("100.00")
        assert await desk.violations() == []

    async def test_while_it_is_being_refunded_is_refunded_once(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 2})
        unit, _ = await desk.list_units(order_id)

        async with db.transaction() as tx:
            await refund(tx, unit, "late", now=NOON)
            deleting = asyncio.create_task(prisma.execute(DELETE_ORDER, order_id))
            await asyncio.sleep(0)
        await deleting

        assert await _refund_orphans(db) == 1
        assert await balance_of(db, alice) == Decimal("100.00")
        assert sorted(await desk.states(order_id)) == ["ORPHANED", "REFUNDED"]
        assert await desk.violations() == []

    async def test_leaves_a_key_that_was_bought_for_it_for_sale(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        [unit] = await desk.list_units(await desk.place(alice, {game: 1}))
        [key] = await desk.add_keys(game)
        await prisma.execute(DELETE_ORDER, unit.order_id)

        delivery = await desk.deliver(unit, key)

        assert delivery.outcome == "final"
        assert await desk.states(await desk.place(alice, {game: 1})) == ["DELIVERED"]


class TestAssignedKey:
    async def test_in_the_middle_of_a_delivery_is_not_delivered(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 1})
        [unit] = await desk.list_units(order_id)
        [key] = await desk.add_keys(game)

        async with prisma.transaction():
            await prisma.execute(ASSIGN_KEY, key, None)
            delivering = asyncio.create_task(desk.deliver(unit, key))
            await _until_one_waits(db)

        with pytest.raises(KeyNotFree):
            await delivering
        assert await desk.states(order_id) == ["OPEN"]
        assert await desk.states(await desk.place(alice, {game: 1})) == ["OPEN"]

    async def test_after_a_delivery_has_begun_waits_and_is_found(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        other = await desk.place(alice, {game: 1})
        [unit] = await desk.list_units(await desk.place(alice, {game: 1}))
        [key] = await desk.add_keys(game)

        async with db.transaction() as tx:
            await deliver(tx, unit, key, now=NOON)
            assigning = asyncio.create_task(prisma.execute(ASSIGN_KEY, key, other))
            await asyncio.sleep(0)
        await assigning

        assert await desk.states(unit.order_id) == ["DELIVERED"]
        assert {name for name, *_ in await desk.violations()} == {"key_assigned_elsewhere"}


class TestRenamed:
    async def test_ids_of_customer_order_and_game_change_nothing(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 2})
        [key] = await desk.add_keys(game)
        for statement, old in ((RENAME_USER, alice), (RENAME_ORDER, order_id), (RENAME_GAME, game)):
            await prisma.execute(statement, old, f"new-{old}")
        first, second = await desk.list_units(f"new-{order_id}")

        await desk.deliver(first, key)
        await db.run(lambda tx: refund(tx, second, "late", now=NOON), attempts=1)

        assert await desk.status(f"new-{order_id}") == ("COMPLETED", "COMPLETED")
        assert await balance_of(db, f"new-{alice}") == Decimal("90.00")
        assert await desk.violations() == []

    async def test_order_is_not_taken_for_a_deleted_one(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        [unit] = await desk.list_units(await desk.place(alice, {game: 1}))
        [key] = await desk.add_keys(game)

        await prisma.execute(RENAME_ORDER, unit.order_id, "renamed")

        with pytest.raises(DatabaseBusy):
            await desk.deliver(unit, key)
        with pytest.raises(DatabaseBusy):
            await db.run(lambda tx: refund(tx, unit, "late", now=NOON), attempts=1)
        [unit] = await desk.list_units("renamed")
        assert (await desk.deliver(unit, key)).outcome == "delivered"

    async def test_in_the_middle_of_a_refund_lets_it_be_repeated(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})

        async with prisma.transaction():
            await prisma.execute(RENAME_USER, alice, "new-alice")
            refunding = asyncio.create_task(
                refund_order(db, order_id, by="olga", reason="late", now=NOON)
            )
            await _until_one_waits(db)

        with pytest.raises(DatabaseBusy):
            await refunding
        await refund_order(db, order_id, by="olga", reason="late", now=NOON)
        assert await balance_of(db, "new-alice") == Decimal("100.00")
        assert await desk.violations() == []


class TestGame:
    async def test_that_was_ordered_cannot_be_deleted(
        self, db: Database, desk: OrderDesk, prisma: asyncpg.Connection
    ):
        alice = await make_customer(db)
        game = await desk.add_game(keys=1)
        await desk.place(alice, {game: 2})

        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await prisma.execute(DELETE_GAME, game)

        assert await desk.violations() == []


class TestStorm:
    async def test_of_other_programs_leaves_no_cent_and_no_key_unexplained(
        self, db: Database, desk: OrderDesk, database_url: str
    ):
        random = Random(5)
        customers = [await make_customer(db, "500.00") for _ in range(4)]
        games = [await desk.add_game(keys=6) for _ in range(3)]

        async def customer() -> None:
            for number in range(6):
                user_id = random.choice(customers)
                try:
                    order_id = await desk.place(
                        user_id,
                        {random.choice(games): random.randint(1, 3)},
                        now=NOON.replace(day=1 + number, hour=random.randint(0, 23)),
                    )
                    if random.random() < 0.5:
                        await cancel_own_order(db, order_id, user_id=user_id, now=NOON)
                    else:
                        await refund_order(db, order_id, by="olga", reason="faulty", now=NOON)
                except ShopError:
                    continue

        async def other_program() -> None:
            connection = await asyncpg.connect(database_url)
            for _ in range(10):
                orders = await connection.fetch("SELECT id FROM orders")
                keys = await connection.fetch("SELECT id FROM game_keys")
                order_id = random.choice(orders)["id"] if orders else "none"
                key_id = random.choice(keys)["id"]
                statement, values = random.choice(
                    [
                        (DELETE_ORDER, [order_id]),
                        (SET_STATUS, [order_id, random.choice(["FAILED", "PENDING", "COMPLETED"])]),
                        (ASSIGN_KEY, [key_id, None]),
                        (DELETE_KEY, [key_id]),
                        (EDIT_BALANCE, [random.choice(customers), Decimal("1.23")]),
                    ]
                )
                try:
                    await connection.execute(statement, *values)
                except asyncpg.DeadlockDetectedError:
                    continue
            await connection.close()

        await asyncio.gather(*(customer() for _ in range(4)), *(other_program() for _ in range(3)))
        await _refund_orphans(db)

        # What others did is named: balances, statuses, and rows of keys that were delivered.
        found = await desk.violations()
        assert {name for name, *_ in found} <= {
            "unexplained_change",
            "order_state",
            "delivered_without_key",
            "key_assigned_elsewhere",
        }, found
        assert await select_rows(db, _WITHOUT_KEY) == []
        sold = await select_rows(
            db, "SELECT vault_key_id FROM keyshop.order_units WHERE vault_key_id IS NOT NULL"
        )
        assert len({row["vault_key_id"] for row in sold}) == len(sold)
        owed = await select_rows(db, "SELECT FROM keyshop.order_units WHERE state = 'OPEN'")
        assert len(owed) == await _count_open_of_living_orders(db)


async def _count_open_of_living_orders(db: Database) -> int:
    rows = await select_rows(
        db,
        "SELECT FROM keyshop.order_units AS u JOIN orders AS o ON o.id = u.order_id"
        " WHERE u.state = 'OPEN'",
    )
    return len(rows)
