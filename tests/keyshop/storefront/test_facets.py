"""The narrow tables agree with the games after any write by any program."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.storefront.search_games import search_games
from tests.factories.games import NOON, link_game, make_game
from tests.keyshop.storefront.conftest import titles_of

# The content of the narrow tables, compared with the games.
_DISAGREEMENTS = """
    SELECT count(*) FROM games AS g
    FULL JOIN keyshop.game_facets AS f ON f.game_id = g.id
    FULL JOIN keyshop.game_description_terms AS w ON w.game_id = g.id
    WHERE f.game_id IS NULL OR w.game_id IS NULL OR g.id IS NULL
        OR (f.names, f.price, f.rating, f.released, f.created, f.in_stock, f.is_preorder,
            f.is_best_seller, f.is_marked_new, f.multiplayer, f.activation_service, f.region,
            f.publisher, w.terms)
        IS DISTINCT FROM (keyshop.searchable_names(g.title, g.publisher), g.price, g."userRating",
            g."releaseDate", g."createdAt", g."inStock", g."isPreorder", g."isBestSeller",
            g."isNew", g.multiplayer, g."activationService", g.region, g.publisher,
            keyshop.description_terms(g.description))
        OR f.links <> ARRAY(
            SELECT hashtextextended("genreId", 0) FROM game_genres WHERE "gameId" = g.id
            UNION ALL
            SELECT hashtextextended("platformId", 0) FROM game_platforms WHERE "gameId" = g.id
            UNION ALL
            SELECT hashtextextended("tagId", 0) FROM game_tags WHERE "gameId" = g.id
            ORDER BY 1
        )
"""


async def disagreements(db: Database) -> int:
    async with db.read() as reader:
        return int(await reader.fetchval(_DISAGREEMENTS))


async def row_versions(db: Database) -> list[tuple[str, str]]:
    async with db.read() as reader:
        return [
            (record[0], record[1])
            for record in await reader.fetch(
                "SELECT game_id, xmin::text FROM keyshop.game_facets"
                " UNION ALL SELECT game_id, xmin::text FROM keyshop.game_description_terms ORDER BY 1, 2"
            )
        ]


async def _tag(db: Database, game_id: str, turn: asyncio.Event) -> None:
    await turn.wait()
    async with db.transaction() as tx:
        await link_game(tx, game_id, "tags", ["Both"])


async def _wait_until_somebody_waits(tx: Transaction) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(10):
        while not await tx.fetchval(waiting):
            await tx.fetchval("SELECT pg_sleep(0.01)")


class TestFacets:
    @pytest.mark.parametrize(
        "change",
        [
            """UPDATE games SET price = price + 1, "inStock" = NOT "inStock" """,
            "UPDATE games SET title = title || ' II', description = 'Other words.'",
            "UPDATE games SET publisher = NULL, region = 'ASIA' WHERE title = 'Oath'",
            "UPDATE games SET id = id || '-moved', title = 'Moved'",
            "UPDATE games SET price = 1 WHERE false",
            "DELETE FROM games WHERE title LIKE 'Iron%'",
            "DELETE FROM game_genres",
            "DELETE FROM genres WHERE name = 'Action'",
            "UPDATE genres SET id = id || '-moved'",
            "DELETE FROM tags",
            """UPDATE game_platforms SET "platformId" = (SELECT id FROM platforms LIMIT 1)
               WHERE "gameId" IN (SELECT "gameId" FROM game_platforms
                                  GROUP BY 1 HAVING count(*) = 1)""",
            "TRUNCATE game_genres",
            "TRUNCATE games CASCADE",
            """INSERT INTO games SELECT * FROM games ON CONFLICT (id)
               DO UPDATE SET title = 'Written again ' || EXCLUDED.slug""",
            # As a restore or a logical replication writes.
            """SET LOCAL session_replication_role = replica;
               UPDATE games SET title = 'Replicated', "inStock" = false""",
        ],
    )
    async def test_agree_with_the_games_after(
        self, db: Database, fresh_ids: dict[str, str], change: str
    ):
        assert await disagreements(db) == 0

        async with db.transaction() as tx:
            for statement in change.split(";"):
                await tx.execute(statement)

        assert await disagreements(db) == 0

    async def test_keep_links_that_two_writers_add_at_once(self, db: Database):
        shared_game = await make_game(db, title="Shared")
        await make_game(db, title="Other", genres=["Both"], tags=["Both"])

        turn = asyncio.Event()
        second = asyncio.create_task(_tag(db, shared_game, turn))
        async with db.transaction() as first:
            await link_game(first, shared_game, "genres", ["Both"])
            turn.set()
            await _wait_until_somebody_waits(first)
        await second

        assert await disagreements(db) == 0

    async def test_are_written_only_when_something_changed(
        self, db: Database, fresh_ids: dict[str, str]
    ):
        before = await row_versions(db)

        async with db.transaction() as tx:
            await tx.execute(
                """UPDATE games SET "updatedAt" = $1""", datetime(2027, 1, 1, tzinfo=UTC)
            )

        assert await row_versions(db) == before

    async def test_take_a_description_of_any_length(self, db: Database):
        words = " ".join(f"word{number}" for number in range(200_000))

        await make_game(db, title="Long", description=words, price=Decimal(1))

        assert await titles_of(search_games(db, text="word7", now=NOON)) == ["Long"]
