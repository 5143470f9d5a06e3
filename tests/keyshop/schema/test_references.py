"""Triggers keep rows of keyshop with the rows that they refer to, as foreign keys would."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.factories.cached_shop import until
from tests.keyshop.schema.prisma_database import DATA
from tests.servers import connected

_GUEST = """
    INSERT INTO sessions (id, "sessionId", data, "expiresAt") VALUES ('s', 'guest', '{}', now());
    INSERT INTO keyshop.guest_cart_items VALUES ('guest', 'g1', 2, now()), ('guest', 'g2', 1, now());
    INSERT INTO keyshop.guest_wishlist_items VALUES ('guest', 'g1', now());
"""
_LINES = "SELECT session_id, game_id FROM keyshop.guest_cart_items ORDER BY 2"
_FAMILY = "INSERT INTO keyshop.token_families VALUES ('f', '{}', '', now(), now())"

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A shop with a guest."""
    async with connected(database_url) as connection:
        await connection.execute(DATA + _GUEST)
        yield connection


class TestRow:
    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO keyshop.guest_cart_items VALUES ('nobody', 'g1', 1, now())",
            "INSERT INTO keyshop.guest_cart_items VALUES ('guest', 'no-game', 1, now())",
            "UPDATE keyshop.guest_wishlist_items SET game_id = 'no-game'",
            "UPDATE keyshop.guest_wishlist_items SET session_id = 'nobody'",
            _FAMILY.format("no-user"),
        ],
    )
    async def test_needs_the_row_that_it_refers_to(
        self, shop: asyncpg.Connection, statement: str
    ) -> None:
        with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
            await shop.execute(statement)

        # A session's id is the key to a basket, and stands in no message.
        assert "nobody" not in str(refused.value)

    async def test_follows_changed_ids(self, shop: asyncpg.Connection) -> None:
        await shop.execute("UPDATE sessions SET \"sessionId\" = 'renewed'")
        await shop.execute("UPDATE games SET id = 'x' || id WHERE id IN ('g1', 'g2')")

        assert [tuple(row) for row in await shop.fetch(_LINES)] == [
            ("renewed", "xg1"),
            ("renewed", "xg2"),
        ]
        facets = "SELECT count(*) FROM keyshop.game_facets WHERE game_id LIKE 'x%'"
        assert await shop.fetchval(facets) == 2

    async def test_goes_with_the_row_that_it_refers_to(self, shop: asyncpg.Connection) -> None:
        await shop.execute("DELETE FROM games WHERE id = 'g2'")
        assert [tuple(row) for row in await shop.fetch(_LINES)] == [("guest", "g1")]

        await shop.execute("TRUNCATE sessions")
        assert await shop.fetch(_LINES) == []

    async def test_cannot_be_added_while_the_other_is_being_deleted(
        self, shop: asyncpg.Connection, database_url: str
    ) -> None:
        async with connected(database_url) as other, connected(database_url) as watch:
            async with shop.transaction():
                await shop.execute("DELETE FROM users WHERE id = 'dave'")
                adding = asyncio.create_task(other.execute(_FAMILY.format("dave")))
                await _until_waiting(watch)
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await adding

    async def test_is_deleted_with_the_other_when_it_was_added_first(
        self, shop: asyncpg.Connection, database_url: str
    ) -> None:
        async with connected(database_url) as other, connected(database_url) as watch:
            async with other.transaction():
                await other.execute(_FAMILY.format("dave"))
                deleting = asyncio.create_task(shop.execute("DELETE FROM users WHERE id = 'dave'"))
                await _until_waiting(watch)
            await deleting

        assert await shop.fetchval("SELECT count(*) FROM keyshop.token_families") == 0


async def _until_waiting(watch: asyncpg.Connection) -> None:
    """Wait until a statement waits for another transaction's lock."""

    async def is_waiting() -> bool:
        return bool(await watch.fetchval(_WAITING))

    await until(is_waiting)
