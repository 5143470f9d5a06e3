"""The SQL of games and of the supplier's offers for them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from keyshop.catalog.models import NewGame
from keyshop.catalog.rules import NO_COVER, UNKNOWN_RELEASE_DATE
from keyshop.kit.database.transaction import Transaction

# No id changes, so carts may reference the games meanwhile: NO KEY UPDATE does not block them.
_LOCK_GAMES = "SELECT id FROM games WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"

# A statement of its own after the lock: an order that took the last own key holds the lock until it
# commits, and is seen here.
_UPDATE_GAMES = """
    UPDATE games AS g SET
        price = COALESCE(s.price, g.price),
        "inStock" = CASE WHEN s.in_stock IS NULL THEN g."inStock"
            ELSE s.in_stock OR EXISTS (
                SELECT FROM keyshop.vault_keys WHERE game_id = g.id AND state = 'free'
            ) END,
        "g2aStock" = COALESCE(s.in_stock, g."g2aStock"),
        title = COALESCE(s.title, g.title),
        image = COALESCE(s.image, g.image),
        images = COALESCE(s.images, g.images),
        region = COALESCE(s.region, g.region),
        publisher = COALESCE(s.publisher, g.publisher),
        "releaseDate" = COALESCE(s.release_date, g."releaseDate"),
        "g2aLastSync" = $2,
        "updatedAt" = $2
    FROM pg_temp.staged AS s
    WHERE g.id = ANY($1::text[]) AND s.product_id = g."g2aProductId"
"""

_STORE_OFFERS = """
    INSERT INTO keyshop.supplier_games AS m (
        game_id, product_id, min_price, retail_min_price, retail_min_base_price, qty,
        available_to_buy, changed_at
    )
    SELECT
        g.id, s.product_id, s.min_price, s.retail_min_price, s.retail_min_base_price, s.qty,
        s.available_to_buy, $2
    FROM pg_temp.staged AS s
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
"""The columns that a new game is inserted with."""

CREATE_STAGED_NEW: Final = f"""
    CREATE TEMPORARY TABLE staged_new ON COMMIT DROP AS
    SELECT {QUOTED_COLUMNS} FROM games WITH NO DATA
"""  # noqa: S608 - made of constants

_TAKEN_SLUGS = "SELECT slug FROM games WHERE slug = ANY($1::text[])"


async def list_taken_slugs(tx: Transaction, slugs: Iterable[str]) -> set[str]:
    """Return those of the slugs that a game has."""
    return {record["slug"] for record in await tx.fetch(_TAKEN_SLUGS, list(slugs))}


async def stage_new_games(tx: Transaction, games: Sequence[NewGame], *, now: datetime) -> None:
    """Copy new games into a temporary table, from which `insert_games_and_links` inserts them."""
    if not games:
        return
    await tx.execute(CREATE_STAGED_NEW)
    await tx.copy_records(
        "staged_new",
        schema="pg_temp",
        columns=_GAME_COLUMNS,
        records=(_new_row(game, now) for game in games),
    )


def _new_row(game: NewGame, now: datetime) -> tuple[object, ...]:
    description = game.description
    return (
        game.id,
        description.title,
        game.slug,
        description.text or description.title,
        game.price,
        description.image or NO_COVER,
        description.images,
        game.in_stock,
        game.product_id,
        game.in_stock,
        now,
        description.release_date or UNKNOWN_RELEASE_DATE,
        description.platform,
        description.region,
        description.publisher,
        (),
        now,
        now,
    )


async def update_games(tx: Transaction, ids: Sequence[str], *, now: datetime) -> int:
    """Write the staged values into the games, and return how many games there were."""
    if not ids:
        return 0
    # Locked in the order of their ids, so that two writers cannot deadlock.
    await tx.execute(_LOCK_GAMES, ids)
    return await tx.execute(_UPDATE_GAMES, ids, now)


async def store_offers(tx: Transaction, ids: Sequence[str], *, now: datetime) -> None:
    """Store the supplier's own prices and quantities of the games."""
    if ids:
        await tx.execute(_STORE_OFFERS, ids, now)
