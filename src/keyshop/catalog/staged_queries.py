"""The SQL of a staged batch: the temporary table, and its comparison with the catalogue."""

from collections.abc import Iterable
from typing import Final

from keyshop.catalog.models import GameDifference, SupplierGame
from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Transaction

_STAGED_COLUMNS: Final = (
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

# A NULL in a staged row never differs from the game, and never overwrites it. OFFSET 0 forces index
# scans: without statistics on the staged rows, PostgreSQL would scan all games for each batch.
_COMPARE = """
    SELECT product_id, game_id, game_differs, offer_differs, links_differ
    FROM (
        SELECT
            s.product_id,
            g.id AS game_id,
            g.id IS NOT NULL AND ROW(
                g.price, g."inStock", g."g2aStock", g.title, g.image, g.images, g.region,
                g.publisher, g."releaseDate"
            ) IS DISTINCT FROM ROW(
                COALESCE(s.price, g.price),
                CASE WHEN s.in_stock IS NULL THEN g."inStock"
                    ELSE s.in_stock OR EXISTS (
                        SELECT FROM keyshop.vault_keys WHERE game_id = g.id AND state = 'free'
                    ) END,
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
            ) AS offer_differs,
            s.described AND ROW(m.platform, m.categories)
                IS DISTINCT FROM ROW(s.platform, s.categories) AS links_differ
        FROM pg_temp.staged AS s
        LEFT JOIN LATERAL (
            SELECT * FROM games WHERE games."g2aProductId" = s.product_id OFFSET 0
        ) AS g ON true
        LEFT JOIN LATERAL (
            SELECT * FROM keyshop.supplier_games WHERE game_id = g.id OFFSET 0
        ) AS m ON true
    ) AS compared
    WHERE game_id IS NULL OR game_differs OR offer_differs OR links_differ
"""


async def stage(tx: Transaction, products: Iterable[SupplierGame]) -> None:
    """Copy the batch into a temporary table that is dropped with the transaction."""
    await tx.execute(CREATE_STAGED)
    await tx.copy_records(
        "staged", schema="pg_temp", columns=_STAGED_COLUMNS, records=map(_staged_row, products)
    )


def _staged_row(product: SupplierGame) -> tuple[object, ...]:
    offer, description = product.offer, product.description
    offer_values = (
        offer.product_id,
        offer.price,
        offer.in_stock,
        offer.qty,
        offer.available_to_buy,
        offer.min_price,
        offer.retail_min_price,
        offer.retail_min_base_price,
    )
    if description is None:
        return (*offer_values, False, *(None,) * 8)
    return (
        *offer_values,
        True,
        description.title,
        description.image,
        description.images or None,
        description.region,
        description.publisher,
        description.release_date,
        description.platform,
        description.categories,
    )


async def list_differences(tx: Transaction) -> list[GameDifference]:
    """List the staged products without a game, and those whose game differs."""
    return rows(GameDifference, await tx.fetch(_COMPARE))
