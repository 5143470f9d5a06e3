"""Rows as another application writes them, with only the columns that Prisma's client sets."""

from datetime import datetime
from decimal import Decimal

import asyncpg
import pytest

NOW = datetime(2026, 11, 22, 12, 0, 0)  # noqa: DTZ001 the columns have no time zone


async def insert(connection: asyncpg.Connection, sql: str, *values: object) -> asyncpg.Record:
    row = await connection.fetchrow(f"{sql} RETURNING *", *values)
    assert row is not None
    return row


async def insert_user(connection: asyncpg.Connection) -> asyncpg.Record:
    return await insert(
        connection,
        """
        INSERT INTO users (id, email, "passwordHash", "updatedAt")
        VALUES ('u1', 'a@example.com', 'x', $1)
        """,
        NOW,
    )


async def insert_game(connection: asyncpg.Connection) -> asyncpg.Record:
    return await insert(
        connection,
        """
        INSERT INTO games (id, title, slug, description, price, image, "releaseDate", "updatedAt")
        VALUES ('g1', 'T', 't', 'D', 1.23, '', $1, $1)
        """,
        NOW,
    )


async def insert_order(connection: asyncpg.Connection) -> asyncpg.Record:
    return await insert(
        connection,
        """INSERT INTO orders (id, "userId", subtotal, total) VALUES ('o1', 'u1', 2, 2)""",
    )


class TestUser:
    async def test_has_the_defaults(self, connection: asyncpg.Connection) -> None:
        user = await insert_user(connection)
        assert user["nickname"] == "Newbie Guy"
        assert user["balance"] == Decimal(0)
        assert (user["role"], user["emailVerified"], user["avatar"]) == ("USER", False, None)
        assert user["createdAt"] is not None

    async def test_needs_an_update_time_from_its_writer(
        self, connection: asyncpg.Connection
    ) -> None:
        with pytest.raises(asyncpg.NotNullViolationError, match="updatedAt"):
            await connection.execute(
                "INSERT INTO users (id, email, \"passwordHash\") VALUES ('u', 'b', 'x')"
            )

    async def test_is_deleted_with_carts_orders_and_history(
        self, connection: asyncpg.Connection
    ) -> None:
        await insert_user(connection)
        await insert_game(connection)
        await insert_order(connection)
        await connection.execute("""
            INSERT INTO cart_items ("userId", "gameId") VALUES ('u1', 'g1');
            INSERT INTO wishlist ("userId", "gameId") VALUES ('u1', 'g1');
            INSERT INTO login_history (id, "userId") VALUES ('l1', 'u1');
            INSERT INTO transactions (id, "userId", "orderId", type, amount, status)
                VALUES ('t1', 'u1', 'o1', 'PURCHASE', 2, 'COMPLETED');
            INSERT INTO game_keys (id, "gameId", key, "orderId") VALUES ('k1', 'g1', 'AAA', 'o1');
            DELETE FROM users WHERE id = 'u1';
        """)
        left = await connection.fetchval("""
            SELECT (SELECT count(*) FROM cart_items) + (SELECT count(*) FROM wishlist)
                + (SELECT count(*) FROM login_history) + (SELECT count(*) FROM transactions)
                + (SELECT count(*) FROM orders)
        """)
        assert left == 0
        assert await connection.fetchval('SELECT "orderId" FROM game_keys') is None


class TestGame:
    async def test_has_the_defaults(self, connection: asyncpg.Connection) -> None:
        game = await insert_game(connection)
        assert (game["discount"], game["currency"], game["inStock"]) == (0, "EUR", True)
        assert (game["g2aStock"], game["multiplayer"]) == (False, False)
        assert (game["isBestSeller"], game["isNew"], game["isPreorder"]) == (False, False, False)
        assert (game["images"], game["languages"]) == (None, None)

    async def test_cannot_be_deleted_while_an_order_refers_to_it(
        self, connection: asyncpg.Connection
    ) -> None:
        await insert_user(connection)
        await insert_game(connection)
        await insert_order(connection)
        item = await insert(
            connection,
            """
            INSERT INTO order_items (id, "orderId", "gameId", price) VALUES ('i1', 'o1', 'g1', 2)
            """,
        )
        assert (item["quantity"], item["discount"]) == (1, Decimal(0))
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute("DELETE FROM games")


class TestOrder:
    async def test_begins_pending_and_unpaid(self, connection: asyncpg.Connection) -> None:
        await insert_user(connection)
        order = await insert_order(connection)
        assert (order["status"], order["paymentStatus"]) == ("PENDING", None)
        assert order["discount"] == Decimal(0)

    async def test_follows_a_customer_whose_id_changes(
        self, connection: asyncpg.Connection
    ) -> None:
        await insert_user(connection)
        await insert_order(connection)
        await connection.execute("UPDATE users SET id = 'u2'")
        assert await connection.fetchval('SELECT "userId" FROM orders') == "u2"
