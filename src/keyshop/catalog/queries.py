"""The SQL of games and of what the supplier said of them; links and home lists have their own."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from keyshop.catalog.models import KnownGame, SupplierGame
from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Transaction

STAGED_COLUMNS: Final = (
    "product_id",
    "price",
    "in_stock",
    "qty",
    "available_to_buy",
    "min_price",
    "retail_min_price",
    "retail_min_base_price",
    "described",
    "title",
    "image",
    "images",
    "region",
    "publisher",
    "release_date",
    "platform",
    "categories",
)

# Dropped with its transaction, so that it also works behind a transaction pooler.
CREATE_STAGED: Final = """
    CREATE TEMPORARY TABLE staged (
        product_id TEXT PRIMARY KEY,
        price NUMERIC(10, 2),
        in_stock BOOLEAN,
        qty INTEGER NOT NULL,
        available_to_buy BOOLEAN NOT NULL,
        min_price NUMERIC,
        retail_min_price NUMERIC,
        retail_min_base_price NUMERIC,
        described BOOLEAN NOT NULL,
        title TEXT,
        image TEXT,
        images TEXT[],
        region TEXT,
        publisher TEXT,
        release_date TIMESTAMP(3),
        platform TEXT,
        categories TEXT[]
    ) ON COMMIT DROP
"""

# An absent value is no value: it never differs, and never overwrites. OFFSET 0 holds PostgreSQL to
# the indexes: it knows nothing of the staged rows, and would read the whole catalogue for each batch.
_COMPARE = """
    SELECT product_id, game_id, game_differs, memory_differs, links_differ
    FROM (
        SELECT
            s.product_id,
            g.id AS game_id,
            g.id IS NOT NULL AND ROW(
                g.price, g."inStock", g."g2aStock", g.title, g.image, g.images, g.region,
                g.publisher, g."releaseDate"
            ) IS DISTINCT FROM ROW(
                COALESCE(s.price, g.price),
                COALESCE(s.in_stock, g."inStock"),
                COALESCE(s.in_stock, g."g2aStock"),
                COALESCE(s.title, g.title),
                COALESCE(s.image, g.image),
                COALESCE(s.images, g.images),
                COALESCE(s.region, g.region),
                COALESCE(s.publisher, g.publisher),
                COALESCE(s.release_date, g."releaseDate")
            ) AS game_differs,
            ROW(
                m.product_id, m.min_price, m.retail_min_price, m.retail_min_base_price, m.qty,
                m.available_to_buy
            ) IS DISTINCT FROM ROW(
                s.product_id, s.min_price, s.retail_min_price, s.retail_min_base_price, s.qty,
                s.available_to_buy
            ) AS memory_differs,
            s.described AND ROW(m.platform, m.categories)
                IS DISTINCT FROM ROW(s.platform, s.categories) AS links_differ
        FROM staged AS s
        LEFT JOIN LATERAL (
            SELECT * FROM games WHERE games."g2aProductId" = s.product_id OFFSET 0
        ) AS g ON true
        LEFT JOIN LATERAL (
            SELECT * FROM keyshop.supplier_games WHERE game_id = g.id OFFSET 0
        ) AS m ON true
    ) AS compared
    WHERE game_id IS NULL OR game_differs OR memory_differs OR links_differ
"""

# No id changes, so carts may go on referring to the games meanwhile.
_LOCK_GAMES = "SELECT id FROM games WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"

_UPDATE_GAMES = """
    UPDATE games AS g SET
        price = COALESCE(s.price, g.price),
        "inStock" = COALESCE(s.in_stock, g."inStock"),
        "g2aStock" = COALESCE(s.in_stock, g."g2aStock"),
        title = COALESCE(s.title, g.title),
        image = COALESCE(s.image, g.image),
        images = COALESCE(s.images, g.images),
        region = COALESCE(s.region, g.region),
        publisher = COALESCE(s.publisher, g.publisher),
        "releaseDate" = COALESCE(s.release_date, g."releaseDate"),
        "g2aLastSync" = $2,
        "updatedAt" = $2
    FROM staged AS s
    WHERE g.id = ANY($1::text[]) AND s.product_id = g."g2aProductId"
"""

_REMEMBER = """
    INSERT INTO keyshop.supplier_games AS m (
        game_id, product_id, min_price, retail_min_price, retail_min_base_price, qty,
        available_to_buy, changed_at
    )
    SELECT
        g.id, s.product_id, s.min_price, s.retail_min_price, s.retail_min_base_price, s.qty,
        s.available_to_buy, $2
    FROM staged AS s
    JOIN games AS g ON g."g2aProductId" = s.product_id
    WHERE g.id = ANY($1::text[])
    ON CONFLICT (game_id) DO UPDATE SET
        product_id = excluded.product_id,
        min_price = excluded.min_price,
        retail_min_price = excluded.retail_min_price,
        retail_min_base_price = excluded.retail_min_base_price,
        qty = excluded.qty,
        available_to_buy = excluded.available_to_buy,
        changed_at = excluded.changed_at
"""

_GAME_COLUMNS = (
    "id",
    "title",
    "slug",
    "description",
    "price",
    "image",
    "images",
    "inStock",
    "g2aProductId",
    "g2aStock",
    "g2aLastSync",
    "releaseDate",
    "activationService",
    "region",
    "publisher",
    "languages",
    "createdAt",
    "updatedAt",
)

QUOTED_COLUMNS: Final = ", ".join(f'"{column}"' for column in _GAME_COLUMNS)
"""Of a new game, for statements."""

CREATE_STAGED_NEW: Final = f"""
    CREATE TEMPORARY TABLE staged_new ON COMMIT DROP AS
    SELECT {QUOTED_COLUMNS} FROM games WITH NO DATA
"""  # noqa: S608 - made of constants

_TAKEN_SLUGS = "SELECT slug FROM games WHERE slug = ANY($1::text[])"


async def stage(tx: Transaction, games: Iterable[SupplierGame]) -> None:
    """Put the batch into a temporary table that goes with the transaction."""
    await tx.execute(CREATE_STAGED)
    await tx.copy_records("staged", columns=STAGED_COLUMNS, records=map(_staged, games))


def _staged(game: SupplierGame) -> tuple[object, ...]:
    offer, told = game.offer, game.description
    figures = (
        offer.product_id,
        offer.price,
        offer.in_stock,
        offer.qty,
        offer.available_to_buy,
        offer.min_price,
        offer.retail_min_price,
        offer.retail_min_base_price,
    )
    if told is None:
        return (*figures, False, *(None,) * 8)
    return (
        *figures,
        True,
        told.title,
        told.image,
        told.images or None,
        told.region,
        told.publisher,
        told.release_date,
        told.platform,
        told.categories,
    )


async def list_differing(tx: Transaction) -> list[KnownGame]:
    """List the staged products that no game stands for, or whose game differs."""
    return rows(KnownGame, await tx.fetch(_COMPARE))


async def list_taken_slugs(tx: Transaction, slugs: Iterable[str]) -> set[str]:
    """List those of the slugs that a game has already."""
    return {record["slug"] for record in await tx.fetch(_TAKEN_SLUGS, list(slugs))}


async def stage_new(tx: Transaction, games: Iterable[tuple[object, ...]]) -> None:
    """Put new games aside for `add_links`; a tuple holds the values of `_GAME_COLUMNS`."""
    await tx.execute(CREATE_STAGED_NEW)
    await tx.copy_records("staged_new", columns=_GAME_COLUMNS, records=games)


async def update_games(tx: Transaction, ids: Sequence[str], *, now: datetime) -> int:
    """Give the games what was staged for them, and return how many there were."""
    # In the order of their ids, so that two writers always lock in the same order.
    await tx.execute(_LOCK_GAMES, ids)
    return await tx.execute(_UPDATE_GAMES, ids, now)


async def remember_offers(tx: Transaction, ids: Sequence[str], *, now: datetime) -> None:
    """Keep the supplier's raw figures beside the games."""
    await tx.execute(_REMEMBER, ids, now)
