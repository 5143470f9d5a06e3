"""Each invariant of orders and money is violated once, and found under its name."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.keyshop.schema.money_rows import ROWS, spend
from tests.keyshop.schema.prisma_database import DATA
from tests.servers import connected

_NAMES = "SELECT DISTINCT name FROM keyshop.violations ORDER BY 1"
_WITHOUT_TRIGGERS = "ALTER TABLE {} DISABLE TRIGGER USER; {}; ALTER TABLE {} ENABLE TRIGGER USER"

_ORDER = "UPDATE orders SET status = '{}', \"paymentStatus\" = '{}' WHERE id = 'p'"
_REFUND_UNIT = """
    UPDATE keyshop.order_units SET state = 'REFUNDED', next_at = NULL WHERE id = 'u2';
    INSERT INTO keyshop.refunds VALUES ('r', 'p', 'u2', 'wr', 2.5, 'late', false, 'worker', now());
    UPDATE orders SET status = 'COMPLETED' WHERE id = 'p'
"""
_INTENT = """
    INSERT INTO keyshop.top_up_intents VALUES ('i', 'bob', 3, 'EUR', 'CARD', 'completed', 'demo',
        NULL, 'paid-1', NULL, NULL, now(), now(), now())
"""
_PROMO = """
    INSERT INTO promo_codes (id, code, discount, "validFrom", "validUntil")
        VALUES ('promo', 'TEN', 10, now(), now())
"""


def quietly(table: str, statement: str) -> str:
    """Return the statement, run while the table's triggers are switched off."""
    return _WITHOUT_TRIGGERS.format(table, statement, table)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A shop without violations: an order of two keys, of which one is delivered, and one waits."""
    async with connected(database_url) as connection:
        await connection.execute(DATA)
        # Balances and ledger as they were when keyshop came.
        await connection.execute("""
            DELETE FROM keyshop.foreign_balance_changes;
            INSERT INTO keyshop.opening_balances SELECT id, balance, now() FROM users;
        """)
        await connection.execute(ROWS)
        await spend(connection, "alice", "-5", order="p")
        yield connection


async def found(connection: asyncpg.Connection) -> list[str]:
    """Return the names of the violated invariants."""
    return [name for (name,) in await connection.fetch(_NAMES)]


class TestShop:
    async def test_violates_nothing(self, shop: asyncpg.Connection) -> None:
        assert await found(shop) == []

    async def test_violates_nothing_after_a_refund_and_a_top_up(
        self, shop: asyncpg.Connection
    ) -> None:
        await spend(shop, "alice", "2.5", id="wr", type="REFUND")
        await shop.execute(_REFUND_UNIT)
        await spend(shop, "bob", "3", id="wt", type="TOP_UP")
        await shop.execute("UPDATE transactions SET \"transactionHash\" = 'paid-1' WHERE id = 'wt'")
        await shop.execute(_INTENT)
        await shop.execute(_PROMO)
        await shop.execute('UPDATE promo_codes SET "usedCount" = 1')

        assert await found(shop) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM users",
            "DELETE FROM orders",
            "UPDATE orders SET id = 'q' WHERE id = 'p'",
            "UPDATE users SET id = 'eve' WHERE id = 'alice'",
            "UPDATE games SET id = 'x' || id",
            "DELETE FROM game_keys WHERE id = 'free'",
            "UPDATE game_keys SET \"orderId\" = 'o' WHERE id = 'free'",
            "TRUNCATE users CASCADE",
        ],
    )
    async def test_violates_nothing_when_others_do_what_can_be_followed(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        await shop.execute(statement)

        assert await found(shop) == []

    async def test_violates_nothing_when_rows_explain_a_foreign_balance(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute("""
            UPDATE users SET balance = balance + 4 WHERE id = 'bob';
            INSERT INTO transactions (id, "userId", type, amount, status)
                VALUES ('f', 'bob', 'TOP_UP', 4, 'COMPLETED');
            UPDATE users SET balance = 1 WHERE id = 'dave';
            UPDATE keyshop.foreign_balance_changes SET adopted_at = now() WHERE user_id = 'dave';
        """)

        assert await found(shop) == []


_CASES = {
    "balance_equation": quietly("users", "UPDATE users SET balance = 99 WHERE id = 'dave'"),
    "negative_balance": """
        BEGIN; SET LOCAL keyshop.wallet = 'on';
        UPDATE users SET balance = -1 WHERE id = 'dave';
        INSERT INTO transactions (id, "userId", type, amount, status)
            VALUES ('n', 'dave', 'PURCHASE', -1, 'COMPLETED');
        COMMIT
    """,
    "ledger_row_missing": "TRUNCATE transactions",
    "unexplained_change": "UPDATE users SET balance = 3 WHERE id = 'dave'",
    "completed_with_open_unit": _ORDER.format("COMPLETED", "COMPLETED"),
    "charged_sum": "UPDATE keyshop.order_units SET charged = 2 WHERE id = 'u1'",
    "key_of_two_units": """
        ALTER TABLE keyshop.order_units DROP CONSTRAINT order_units_vault_key_id_key;
        UPDATE keyshop.order_units SET state = 'DELIVERED', vault_key_id = 'given' WHERE id = 'u2'
    """,
    "delivered_without_key": "UPDATE keyshop.vault_keys SET state = 'revoked' WHERE id = 'given'",
    "key_without_delivered": """
        UPDATE keyshop.vault_keys SET state = 'delivered', order_id = 'p' WHERE id = 'free'
    """,
    "key_assigned_elsewhere": "UPDATE game_keys SET \"orderId\" = 'o' WHERE id = 'given'",
    "overdue_unit": "UPDATE keyshop.order_units SET next_at = now() - interval '6 minutes' WHERE id = 'u2'",
    "order_state": _ORDER.format("FAILED", "COMPLETED"),
    "refund_sum": _REFUND_UNIT,
    "orphan_not_refunded": """
        DELETE FROM orders WHERE id = 'p';
        UPDATE keyshop.placed_orders SET deleted_at = now() - interval '6 minutes'
    """,
    "promo_count": _PROMO,
    "paid_without_credit": _INTENT,
}

_TOGETHER = {
    "completed_with_open_unit": {"order_state"},
    "key_of_two_units": {"delivered_without_key", "order_state"},
}


class TestViolation:
    @pytest.mark.parametrize("name", _CASES)
    async def test_is_found(self, shop: asyncpg.Connection, name: str) -> None:
        await shop.execute(_CASES[name])

        assert set(await found(shop)) == {name} | _TOGETHER.get(name, set())

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            ("charged_sum", "UPDATE order_items SET quantity = 3 WHERE id = 'pi'"),
            ("charged_sum", "UPDATE order_items SET discount = 1 WHERE id = 'pi'"),
            ("delivered_without_key", "DELETE FROM game_keys"),
            ("order_state", _ORDER.format("PROCESSING", "CANCELLED")),
            (
                "refund_sum",
                (
                    "INSERT INTO keyshop.refunds VALUES"
                    " ('r', 'p', 'u1', NULL, 0, 'x', true, 'x', now())"
                ),
            ),
            (
                "key_assigned_elsewhere",
                quietly("game_keys", "UPDATE game_keys SET activated = true WHERE id = 'free'"),
            ),
            (
                "key_without_delivered",
                "UPDATE keyshop.vault_keys SET unit_id = 'no unit' WHERE id = 'given'",
            ),
        ],
    )
    async def test_is_found_in_its_other_forms(
        self, shop: asyncpg.Connection, name: str, statement: str
    ) -> None:
        await shop.execute(statement)

        assert name in await found(shop)

    async def test_of_a_refund_without_a_unit_is_found(self, shop: asyncpg.Connection) -> None:
        await spend(shop, "bob", "1", id="wr", type="REFUND")

        assert await found(shop) == ["refund_sum"]

    async def test_is_named_by_every_function(self, shop: asyncpg.Connection) -> None:
        functions = await shop.fetch("""
            SELECT substr(proname, 6) FROM pg_proc
            WHERE pronamespace = 'keyshop'::regnamespace AND proname LIKE 'find\\_%'
        """)
        assert {name for (name,) in functions} == set(_CASES)

    async def test_of_an_overdue_unit_waits_while_buying_is_paused(
        self, shop: asyncpg.Connection
    ) -> None:
        await shop.execute(_CASES["overdue_unit"])
        await shop.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")

        assert await found(shop) == []
