"""Triggers record what other programs do to balances, ledger, orders and keys."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.keyshop.schema.money_rows import ROWS, spend
from tests.keyshop.schema.prisma_database import DATA
from tests.servers import connected

_CHANGES = """
    SELECT user_id, kind, transaction_id, amount FROM keyshop.foreign_balance_changes
    WHERE NOT is_closed ORDER BY id
"""
_WRONG = "SELECT user_id FROM keyshop.balances() WHERE balance <> expected"
_UNITS = (
    "SELECT id, order_id, state, next_at IS NOT NULL, version FROM keyshop.order_units ORDER BY id"
)
_KEYS = "SELECT id, game_id, state, order_id, held_reason FROM keyshop.vault_keys ORDER BY id"
_REFUND = """
    INSERT INTO keyshop.refunds VALUES ('r', 'p', 'u2', NULL, 0, 'late', false, 'worker', now())
"""

_GIVEN = ("given", "g5", "delivered", "p", None)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A shop of which alice spent 5 on an order with one delivered and one open unit."""
    async with connected(database_url) as connection:
        await connection.execute(DATA)
        await connection.execute(ROWS)
        await spend(connection, "alice", "-5", order="p")
        # What DATA wrote is no part of the tests.
        await connection.execute("DELETE FROM keyshop.opening_balances")
        await connection.execute("DELETE FROM keyshop.foreign_balance_changes")
        await connection.execute("""
            INSERT INTO keyshop.opening_balances
            SELECT user_id, balance - expected, now() FROM keyshop.balances()
        """)
        yield connection


async def rows(connection: asyncpg.Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows as tuples."""
    return [tuple(row) for row in await connection.fetch(query)]


class TestBalance:
    async def test_that_the_wallet_changes_is_no_change_of_others(
        self, shop: asyncpg.Connection
    ) -> None:
        await spend(shop, "bob", "-7.25", id="w2")

        assert await rows(shop, _CHANGES) == []
        assert await rows(shop, _WRONG) == []
        written = await rows(shop, "SELECT user_id, type, amount FROM keyshop.wallet_rows")
        assert ("bob", "PURCHASE", Decimal("-7.25")) in written

    async def test_that_another_program_changes_is_recorded_with_its_name(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute("SET application_name = 'the old shop'")
        # A session that the wallet used before, too.
        await shop.execute("BEGIN; SET LOCAL keyshop.wallet = 'on'; COMMIT")
        await shop.execute("UPDATE users SET balance = balance + 1.5 WHERE id <> 'dave'")

        found = {row[0]: row for row in await rows(shop, _CHANGES)}
        assert found["carol"] == ("carol", "balance", None, Decimal("1.50"))
        assert set(found) == {"alice", "bob", "carol"}
        (named,) = await rows(
            shop, "SELECT DISTINCT db_role, application FROM keyshop.foreign_balance_changes"
        )
        assert named == (await shop.fetchval("SELECT session_user"), "the old shop")
        assert await rows(shop, _WRONG) == []

    async def test_of_a_new_customer_is_recorded_when_it_is_not_zero(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute("""
            INSERT INTO users (id, email, "passwordHash", balance, "updatedAt") VALUES
                ('rich', 'r@example.com', 'x', 12, now()), ('poor', 'p@example.com', 'x', 0, now())
        """)

        assert await rows(shop, _CHANGES) == [("rich", "balance", None, Decimal(12))]
        assert await rows(shop, _WRONG) == []

    async def test_that_is_not_a_number_counts_as_zero(self, shop: asyncpg.Connection) -> None:
        await shop.execute("UPDATE users SET balance = 'NaN' WHERE id = 'bob'")
        assert await rows(shop, _CHANGES) == [("bob", "balance", None, Decimal("-17.50"))]
        assert await rows(shop, _WRONG) == []

        await shop.execute("UPDATE users SET balance = 3 WHERE id = 'bob'")
        assert await rows(shop, _WRONG) == []

    async def test_is_recorded_in_sessions_without_ordinary_triggers(
        self, shop: asyncpg.Connection
    ) -> None:
        async with shop.transaction():
            await shop.execute("SET LOCAL session_replication_role = replica")
            await shop.execute("UPDATE users SET balance = 1 WHERE id = 'dave'")

        assert await rows(shop, _CHANGES) == [("dave", "balance", None, Decimal(1))]

    @pytest.mark.parametrize(
        "statement", ["DELETE FROM users WHERE id = 'alice'", "TRUNCATE users CASCADE"]
    )
    async def test_history_counts_nothing_after_the_customer(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        await shop.execute("UPDATE users SET balance = 1 WHERE id = 'alice'")
        await shop.execute(statement)

        assert await rows(shop, _CHANGES) == []
        assert await rows(shop, _WRONG) == []
        for table in ("wallet_rows", "idempotency", "key_reveals"):
            assert await rows(shop, f"SELECT * FROM keyshop.{table} WHERE user_id = 'alice'") == []

    async def test_history_follows_a_changed_id(self, shop: asyncpg.Connection) -> None:
        await shop.execute("UPDATE users SET id = 'eve', balance = 77 WHERE id = 'alice'")

        assert {row[0] for row in await rows(shop, _CHANGES)} == {"eve"}
        assert await rows(shop, _WRONG) == []
        tables = "placed_orders order_units wallet_rows idempotency key_reveals"
        for table in tables.split():
            found = await rows(shop, f"SELECT DISTINCT user_id FROM keyshop.{table}")
            assert found == [("eve",)], table

    async def test_that_triggers_could_not_read_is_recorded_when_the_column_is_back(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute("""
            ALTER TABLE users RENAME balance TO money;
            UPDATE users SET money = 100 WHERE id = 'dave';
            ALTER TABLE users RENAME money TO balance;
        """)
        await shop.execute("SELECT keyshop.follow_missed_changes()")

        assert await rows(shop, _CHANGES) == [("dave", "balance", None, Decimal(100))]
        assert await rows(shop, _WRONG) == []


class TestLedger:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE transactions SET amount = 0 WHERE id = 'w'",
            "UPDATE transactions SET amount = 'NaN' WHERE id = 'w'",
            "UPDATE transactions SET id = 'x' WHERE id = 'w'",
            "UPDATE transactions SET type = 'REFUND' WHERE id = 'w'",
            "UPDATE transactions SET \"userId\" = 'bob' WHERE id = 'w'",
            "UPDATE transactions SET status = 'FAILED' WHERE id = 'w'",
            "DELETE FROM transactions WHERE id = 'w'",
            "DELETE FROM transactions",
        ],
    )
    async def test_row_of_the_wallet_is_neither_changed_nor_deleted(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        with pytest.raises(asyncpg.RestrictViolationError, match="only added"):
            await shop.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError):
            await shop.execute(f"BEGIN; SET LOCAL keyshop.wallet = 'on'; {statement}")

    async def test_row_of_the_wallet_takes_what_is_not_money(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute(
            """UPDATE transactions SET "gatewayResponse" = '{}', description = 'x'"""
        )
        await shop.execute("DELETE FROM orders WHERE id = 'p'")

        assert await rows(shop, """SELECT "orderId" FROM transactions WHERE id = 'w'""") == [
            (None,)
        ]
        assert await rows(shop, _CHANGES) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM users WHERE id = 'alice'",
            "UPDATE users SET id = 'eve' WHERE id = 'alice'",
            "TRUNCATE users CASCADE",
            "TRUNCATE orders CASCADE",
            "TRUNCATE transactions",
            "UPDATE orders SET id = 'q' WHERE id = 'p'",
        ],
    )
    async def test_row_of_the_wallet_goes_and_follows_with_others(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        await shop.execute(statement)

        assert await rows(shop, _CHANGES) == []
        assert await rows(shop, _WRONG) == []

    async def test_row_of_another_program_is_recorded_and_counts_nothing(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute("""
            INSERT INTO transactions (id, "userId", type, amount, status) VALUES
                ('f1', 'bob', 'TOP_UP', 3, 'COMPLETED'), ('f2', 'bob', 'TOP_UP', 4, 'PENDING'),
                ('f3', 'dave', 'TOP_UP', 'NaN', 'COMPLETED');
        """)
        await shop.execute("UPDATE transactions SET status = 'COMPLETED' WHERE id = 'f2'")
        await shop.execute("UPDATE transactions SET \"userId\" = 'carol' WHERE id = 'f1'")
        await shop.execute("DELETE FROM transactions WHERE id IN ('f1', 'f2')")

        found = await rows(shop, _CHANGES)
        assert found[:3] == [
            ("bob", "row_added", "f1", Decimal(3)),
            ("bob", "row_added", "f2", Decimal(0)),
            ("dave", "row_added", "f3", Decimal(0)),
        ]
        assert found[3] == ("bob", "row_changed", "f2", Decimal(4))
        assert sorted(found[4:6]) == [
            ("bob", "row_changed", "f1", Decimal(-3)),
            ("carol", "row_changed", "f1", Decimal(3)),
        ]
        assert sorted(found[6:]) == [
            ("bob", "row_removed", "f2", Decimal(-4)),
            ("carol", "row_removed", "f1", Decimal(-3)),
        ]
        assert await rows(shop, _WRONG) == []


class TestOrder:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM orders WHERE id = 'p'",
            "TRUNCATE orders CASCADE",
            "DELETE FROM users WHERE id = 'alice'",
        ],
    )
    async def test_that_is_deleted_leaves_its_open_units_to_be_refunded(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        await shop.execute(statement)

        assert await rows(shop, _UNITS) == [
            ("u1", "p", "DELIVERED", False, 0),
            ("u2", "p", "ORPHANED", True, 1),
        ]
        placed = await rows(shop, "SELECT deleted_at IS NOT NULL FROM keyshop.placed_orders")
        assert placed == [(True,)]
        events = await rows(shop, "SELECT kind FROM keyshop.order_events ORDER BY id")
        assert events == [("placed",), ("order deleted",)]

    async def test_of_another_program_may_be_deleted(self, shop: asyncpg.Connection) -> None:
        before = await rows(shop, _UNITS)
        await shop.execute("DELETE FROM orders WHERE id = 'o'")

        assert await rows(shop, _UNITS) == before
        assert len(await rows(shop, "SELECT FROM keyshop.order_events")) == 1

    async def test_is_followed_when_its_id_changes(self, shop: asyncpg.Connection) -> None:
        await shop.execute(_REFUND)
        await shop.execute("UPDATE orders SET id = 'q' WHERE id = 'p'")

        tables = "placed_orders order_units refunds order_events idempotency promo_uses"
        for table in tables.split():
            found = await rows(shop, f"SELECT DISTINCT order_id FROM keyshop.{table}")
            assert found == [("q",)], table
        assert ("given", "g5", "delivered", "q", None) in await rows(shop, _KEYS)
        with pytest.raises(asyncpg.RestrictViolationError):
            await shop.execute("UPDATE keyshop.order_events SET order_id = 'p'")

    @pytest.mark.parametrize("table", ["refunds", "order_events"])
    @pytest.mark.parametrize(
        "statement",
        ["UPDATE {} SET order_id = 'x'", "DELETE FROM {}", "TRUNCATE {}"],
    )
    async def test_history_is_only_added(
        self, shop: asyncpg.Connection, table: str, statement: str
    ) -> None:
        with pytest.raises(asyncpg.RestrictViolationError, match=f"{table} are only added"):
            await shop.execute(statement.format(f"keyshop.{table}"))


class TestKey:
    @pytest.mark.parametrize(
        "change",
        [
            "key = 'other'",
            "activated = true",
            "\"orderId\" = 'o'",
            "\"gameId\" = 'g6'",
            "id = 'renamed'",
        ],
    )
    async def test_that_is_free_is_held_when_another_program_changes_it(
        self, shop: asyncpg.Connection, change: str
    ) -> None:
        await shop.execute(f"UPDATE game_keys SET {change} WHERE id = 'free'")

        held = ("free", "g5", "held", None, "changed by another program")
        assert await rows(shop, _KEYS) == [held, _GIVEN]

    async def test_stays_free_when_nothing_changes_or_the_vault_writes(
        self, shop: asyncpg.Connection
    ) -> None:
        before = await rows(shop, _KEYS)
        await shop.execute("UPDATE game_keys SET key = key")
        async with shop.transaction():
            await shop.execute("SET LOCAL keyshop.vault = 'on'")
            await shop.execute("UPDATE game_keys SET key = 'plain' WHERE id = 'free'")

        assert await rows(shop, _KEYS) == before

    @pytest.mark.parametrize("statement", ["DELETE FROM game_keys", "TRUNCATE game_keys"])
    async def test_that_is_free_is_held_when_another_program_deletes_it(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        await shop.execute(statement)

        held = ("free", "g5", "held", None, "deleted by another program")
        assert await rows(shop, _KEYS) == [held, _GIVEN]

    async def test_is_held_when_its_game_is_deleted(self, shop: asyncpg.Connection) -> None:
        await shop.execute("DELETE FROM order_items; DELETE FROM games WHERE id = 'g5'")

        assert [row[2] for row in await rows(shop, _KEYS)] == ["held", "delivered"]

    async def test_stays_free_when_its_game_gets_another_id(self, shop: asyncpg.Connection) -> None:
        await shop.execute("UPDATE games SET id = 'x' || id")

        found = await rows(
            shop, "SELECT id, game_id, sealed_game_id, state FROM keyshop.vault_keys"
        )
        assert ("free", "xg5", "g5", "free") in found
        games = await rows(shop, "SELECT DISTINCT game_id FROM keyshop.order_units")
        assert games == [("xg5",)]


class TestMissedChanges:
    async def test_of_orders_and_keys_are_followed_when_the_columns_are_back(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute("""
            ALTER TABLE orders RENAME id TO number;
            ALTER TABLE game_keys RENAME id TO number;
            DELETE FROM orders WHERE number = 'p';
            DELETE FROM game_keys WHERE number = 'free';
            ALTER TABLE orders RENAME number TO id;
            ALTER TABLE game_keys RENAME number TO id;
        """)
        assert [row[2] for row in await rows(shop, _UNITS)] == ["DELIVERED", "OPEN"]

        await shop.execute("SELECT keyshop.follow_missed_changes()")

        assert [row[2] for row in await rows(shop, _UNITS)] == ["DELIVERED", "ORPHANED"]
        assert [row[2] for row in await rows(shop, _KEYS)] == ["held", "delivered"]
        assert await rows(shop, _CHANGES) == []
