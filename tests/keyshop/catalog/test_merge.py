"""A batch of the supplier's products is merged into the catalogue."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from keyshop.catalog.merge import merge_games
from keyshop.catalog.models import Description, MergeResult, Offer, SupplierGame
from keyshop.kit.database.pool import Database
from tests.factories.cached_shop import until
from tests.factories.games import make_game
from tests.servers import connected

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def make_product(product_id: str, *, described: bool = True, **overrides: Any) -> SupplierGame:
    offer: dict[str, Any] = {
        "product_id": product_id,
        "price": Decimal("10.20"),
        "in_stock": True,
        "qty": 5,
        "available_to_buy": True,
        "min_price": Decimal(10),
        "retail_min_price": None,
        "retail_min_base_price": None,
    }
    description: dict[str, Any] = {
        "title": f"Game {product_id}",
        "image": None,
        "images": (),
        "region": None,
        "publisher": None,
        "release_date": None,
        "platform": "Steam",
        "categories": ("Action",),
        "text": None,
    }
    return SupplierGame(
        offer=Offer(**(offer | {k: v for k, v in overrides.items() if k in offer})),
        description=Description(
            **(description | {k: v for k, v in overrides.items() if k in description})
        )
        if described
        else None,
    )


async def merge(db: Database, *products: SupplierGame) -> MergeResult:
    async with db.transaction() as tx:
        return await merge_games(tx, products, now=NOON)


async def read_column(db: Database, column: str, product_id: str) -> list[object]:
    async with db.read() as reader:
        records = await reader.fetch(
            f'SELECT {column} AS value FROM games WHERE "g2aProductId" = $1', product_id
        )
    return [record["value"] for record in records]


class TestMergeGames:
    async def test_of_nothing_does_nothing(self, db) -> None:
        merged = await merge(db)

        assert (merged.added, merged.updated, merged.unknown) == (0, 0, ())

    async def test_uses_the_later_of_two_entries(self, db) -> None:
        merged = await merge(
            db, make_product("1"), make_product("1", title="Later", price=Decimal("5.10"))
        )

        assert merged.added == 1
        assert await read_column(db, "title", "1") == ["Later"]
        assert await read_column(db, "price", "1") == [Decimal("5.10")]

    async def test_creates_no_game_from_an_offer_without_a_description(self, db) -> None:
        merged = await merge(db, make_product("1", described=False))

        assert (merged.added, merged.unknown) == (0, ("1",))

    async def test_brings_every_game_of_a_product_up_to_date(self, db) -> None:
        for title in ("Portal", "Portal again"):
            await make_game(db, title=title, g2aProductId="1")

        merged = await merge(db, make_product("1", price=Decimal("5.10")))

        assert (merged.added, merged.updated) == (0, 2)
        assert await read_column(db, "price", "1") == [Decimal("5.10")] * 2

    async def test_takes_a_game_over_that_was_made_by_hand(self, db) -> None:
        await make_game(db, title="Portal", g2aProductId="1", genres=["Action"], slug="by-hand")

        merged = await merge(db, make_product("1", title="Portal"))
        await merge(db, make_product("1", title="Portal", categories=("Racing",)))

        assert (merged.added, merged.relinked) == (0, 1)
        assert await read_column(db, "slug", "1") == ["by-hand"]
        async with db.read() as reader:
            genres = await reader.fetch(
                'SELECT name FROM game_genres JOIN genres ON id = "genreId" ORDER BY name'
            )
        assert [genre["name"] for genre in genres] == ["Action", "Racing"]

    async def test_follows_a_game_to_another_product(self, db) -> None:
        await merge(db, make_product("1", title="Portal"))
        async with db.transaction() as tx:
            await tx.execute("UPDATE games SET \"g2aProductId\" = '2'")

        # Several times: the old product is unknown again, and every slug that it had is taken.
        for _ in range(3):
            merged = await merge(db, make_product("1", title="Portal"))
            assert merged.added == 1
            async with db.transaction() as tx:
                await tx.execute("UPDATE games SET \"g2aProductId\" = '2'")

        assert sorted(map(str, await read_column(db, "slug", "2"))) == [
            "portal",
            "portal-1",
            "portal-1-2",
            "portal-1-3",
        ]

    async def test_writes_nothing_twice(self, db) -> None:
        products = [make_product(str(number)) for number in range(20)]
        await merge(db, *products)

        merged = await merge(db, *reversed(products))

        assert (merged.added, merged.updated, merged.relinked) == (0, 0, 0)


_FREE_KEY = """
    INSERT INTO keyshop.key_versions VALUES (1, '', now()) ON CONFLICT DO NOTHING;
    INSERT INTO keyshop.vault_keys (id, game_id, sealed_game_id, fingerprint, ciphertext, version,
        source, state, created_at, changed_at)
    SELECT 'key of ' || id, id, id, id::bytea, '', 1, 'own', 'free', now(), now() FROM games;
"""
_TAKE_KEYS = "UPDATE keyshop.vault_keys SET state = 'held'"
_RECOUNT = """
    SELECT FROM games FOR NO KEY UPDATE;
    UPDATE games SET "inStock" = "g2aStock"
"""
_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def merge_sold_out(db: Database) -> MergeResult:
    """Merge what the supplier sold out."""
    return await merge(db, make_product("1", in_stock=False, qty=0))


class TestStock:
    async def test_is_there_as_long_as_supplier_or_vault_have_a_key(
        self, db: Database, database_url: str
    ) -> None:
        await merge(db, make_product("1"))
        async with connected(database_url) as vault:
            await vault.execute(_FREE_KEY)

            await merge_sold_out(db)

            assert await read_column(db, '"inStock"', "1") == [True]
            assert await read_column(db, '"g2aStock"', "1") == [False]
            assert (await merge_sold_out(db)).updated == 0

            await vault.execute(_TAKE_KEYS)
            assert (await merge_sold_out(db)).updated == 1
            assert await read_column(db, '"inStock"', "1") == [False]

    async def test_stays_where_the_supplier_does_not_say(
        self, db: Database, database_url: str
    ) -> None:
        await merge(db, make_product("1", in_stock=False))
        async with connected(database_url) as vault:
            await vault.execute(_FREE_KEY)

        merged = await merge(db, make_product("1", in_stock=None))

        assert merged.updated == 0
        assert await read_column(db, '"inStock"', "1") == [False]

    async def test_ends_when_the_last_key_is_taken_while_the_supplier_sells_out(
        self, db: Database, database_url: str
    ) -> None:
        await merge(db, make_product("1"))
        async with connected(database_url) as order, connected(database_url) as watch:
            await order.execute(_FREE_KEY)
            async with order.transaction():
                await order.execute(_TAKE_KEYS)
                await order.execute(_RECOUNT)
                merging = asyncio.create_task(merge_sold_out(db))

                async def is_waiting() -> bool:
                    return bool(await watch.fetchval(_WAITING))

                await until(is_waiting)
            await merging

        assert await read_column(db, '"inStock"', "1") == [False]
