"""Prisma keeps writing to an attached database."""

import asyncio

import asyncpg
import pytest

from keyshop.schema.attach import attach
from tests.keyshop.schema.prisma_database import describe_all


@pytest.fixture
async def application(
    prisma: asyncpg.Connection, prisma_url: str, prisma_role: str
) -> asyncpg.Connection:
    """A connection of the role that owns Prisma's tables and has no privileges in schema keyshop."""
    await asyncio.to_thread(attach, prisma_url, lambda _: None)
    await prisma.execute(f'SET SESSION AUTHORIZATION "{prisma_role}"')
    return prisma


# Statements as Prisma's client sends them: with its own ids and times, and qualified, quoted names.
_INSERT_GAME = """
    INSERT INTO "public"."games" ("id", "title", "slug", "description", "price", "currency",
        "image", "inStock", "g2aStock", "releaseDate", "multiplayer", "isBestSeller", "isNew",
        "isPreorder", "createdAt", "updatedAt")
    VALUES ('new', 'New', 'new', '', 5, 'EUR', '', true, false, now(), false, false, false, false,
        now(), now())
    RETURNING "public"."games"."id"
"""
_UPSERT_CART = """
    INSERT INTO "public"."cart_items" ("userId", "gameId", "quantity", "addedAt")
    VALUES ('alice', 'new', 1, now())
    ON CONFLICT ("userId", "gameId") DO UPDATE SET "quantity" = 2
    WHERE "public"."cart_items"."userId" = 'alice'
"""
_WRITES = [
    """INSERT INTO "public"."game_keys" ("id", "gameId", "key") VALUES ('k', 'g1', 'AAA')""",
    """UPDATE "public"."game_keys" SET "orderId" = 'o' WHERE "id" = 'k'""",
    """UPDATE "public"."orders" SET "id" = 'p' WHERE "id" = 'o'""",
    """DELETE FROM "public"."orders" WHERE "id" = 'p'""",
    """DELETE FROM "public"."game_keys" WHERE "id" = 'k'""",
    """UPDATE "public"."transactions" SET "amount" = 9 WHERE "id" = 't4'""",
    """DELETE FROM "public"."transactions" WHERE "id" = 't5'""",
    """INSERT INTO "public"."game_genres" ("gameId", "genreId") VALUES ('new', 'a')""",
    _UPSERT_CART,
    _UPSERT_CART,
    """UPDATE "public"."games" SET "price" = 6, "updatedAt" = now() WHERE "id" IN ('new', 'g1')""",
    """INSERT INTO "public"."transactions" ("id", "userId", "type", "amount", "currency", "status")
       VALUES ('t9', 'bob', 'TOP_UP', 5, 'EUR', 'COMPLETED')""",
    """UPDATE "public"."users" SET "balance" = ("public"."users"."balance" + 5) WHERE "id" = 'bob'""",
    """DELETE FROM "public"."users" WHERE "id" = 'bob'""",
    """DELETE FROM "public"."games" WHERE "id" = 'g2'""",
    """UPDATE "public"."users" SET "id" = 'carola' WHERE "id" = 'carol'""",
]


class TestPrisma:
    async def test_writes_without_privileges_in_schema_keyshop(
        self, application: asyncpg.Connection
    ) -> None:
        assert await application.fetchval(_INSERT_GAME) == "new"
        async with application.transaction():
            for statement in _WRITES:
                await application.execute(statement)

        await application.execute("RESET SESSION AUTHORIZATION")
        facets = await application.fetchrow(
            "SELECT price, cardinality(links) AS links FROM keyshop.game_facets"
            " WHERE game_id = 'new'"
        )
        assert facets
        assert (facets["price"], facets["links"]) == (6, 1)
        assert await application.fetchval("SELECT count(*) FROM keyshop.cache_outbox") > 0

    async def test_updates_and_deletes_opening_balances_with_their_customers(
        self, application: asyncpg.Connection
    ) -> None:
        await application.execute(_WRITES[-3])
        await application.execute(_WRITES[-1])

        await application.execute("RESET SESSION AUTHORIZATION")
        left = await application.fetch("SELECT user_id FROM keyshop.opening_balances")
        assert {row["user_id"] for row in left} == {"alice", "carola"}

    async def test_may_not_read_schema_keyshop(self, application: asyncpg.Connection) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application.execute("SELECT FROM keyshop.opening_balances")

    async def test_can_apply_its_own_migrations(self, application: asyncpg.Connection) -> None:
        await application.execute("ALTER TABLE public.games ADD cached_shop TEXT")
        await application.execute("CREATE TABLE public.reviews (id TEXT PRIMARY KEY)")

        await application.execute("UPDATE public.games SET cached_shop = 'top'")
        await application.execute("RESET SESSION AUTHORIZATION")
        catalogues, _ = await describe_all(application, "public")
        assert any("reviews" in line for line in catalogues)
