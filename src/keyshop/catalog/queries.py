"""All SQL of the catalogue."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.catalog.models import KnownGame, SupplierGame
from keyshop.catalog.rules import UNKNOWN_RELEASE_DATE
from keyshop.kit.database import Transaction, rows

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

_QUOTED = ", ".join(f'"{column}"' for column in _GAME_COLUMNS)

CREATE_STAGED_NEW: Final = f"""
    CREATE TEMPORARY TABLE staged_new ON COMMIT DROP AS
    SELECT {_QUOTED} FROM games WITH NO DATA
"""  # noqa: S608 - made of constants

# One statement, so that the triggers that keep the storefront's copy see a new game with its links,
# and write that copy once: its index of names is what a new game costs most.
_LINK: Final = """
    WITH platform_links AS (
        INSERT INTO game_platforms ("gameId", "platformId")
        SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
        RETURNING "gameId" AS game_id, "platformId" AS name_id
    ), genre_links AS (
        INSERT INTO game_genres ("gameId", "genreId")
        SELECT * FROM unnest($3::text[], $4::text[]) ON CONFLICT DO NOTHING
        RETURNING "gameId" AS game_id, "genreId" AS name_id
    ), category_links AS (
        INSERT INTO game_categories ("gameId", "categoryId")
        SELECT * FROM unnest($5::text[], $6::text[]) ON CONFLICT DO NOTHING
        RETURNING "gameId" AS game_id, "categoryId" AS name_id
    )
    SELECT 0 AS kind, game_id, name_id FROM platform_links
    UNION ALL SELECT 1, game_id, name_id FROM genre_links
    UNION ALL SELECT 2, game_id, name_id FROM category_links
"""
_ADD_AND_LINK: Final = _LINK.replace(
    "WITH ",
    f"WITH new_games AS (INSERT INTO games ({_QUOTED}) SELECT {_QUOTED} FROM staged_new), ",  # noqa: S608 - as above
)

_TAKEN_SLUGS = "SELECT slug FROM games WHERE slug = ANY($1::text[])"

_LINKS = """
    SELECT game_id, platform_links, genre_links, category_links
    FROM keyshop.supplier_games WHERE game_id = ANY($1::text[]) ORDER BY game_id
"""

_REMEMBER_LINKS = """
    UPDATE keyshop.supplier_games AS m SET
        platform = s.platform,
        categories = s.categories,
        platform_links = string_to_array(l.platforms, ' '),
        genre_links = string_to_array(l.genres, ' '),
        category_links = string_to_array(l.categories, ' ')
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
        AS l (game_id, platforms, genres, categories), staged AS s
    WHERE m.game_id = l.game_id AND s.product_id = m.product_id
"""


_FORGET_LOST_NAMES = """
    WITH lost AS (
        (SELECT unnest(platform_links) AS id FROM keyshop.supplier_games
            EXCEPT SELECT id FROM platforms)
        UNION ALL
        (SELECT unnest(genre_links) FROM keyshop.supplier_games EXCEPT SELECT id FROM genres)
        UNION ALL
        (SELECT unnest(category_links) FROM keyshop.supplier_games EXCEPT SELECT id FROM categories)
    )
    UPDATE keyshop.supplier_games SET platform = NULL, categories = NULL
    WHERE (platform_links || genre_links || category_links) && ARRAY(SELECT id FROM lost)
"""

Link = tuple[str, str]
"""The ids of a game and of a name."""


class GameLinks(Struct):
    """The links of a game that the sync made, as ids."""

    game_id: str
    platform_links: list[str]
    genre_links: list[str]
    category_links: list[str]


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


async def add_links(
    tx: Transaction, links: Sequence[Iterable[Link]], *, with_new: bool
) -> tuple[set[Link], ...]:
    """
    Link games with platforms, genres and categories, and return the links that were not there.

    `with_new` inserts the games of `stage_new` at the same time.
    """
    args: list[list[str]] = []
    for kind in links:
        ordered = sorted(kind)
        args += [[game for game, _ in ordered], [name for _, name in ordered]]
    if not with_new and not any(args):
        return tuple(set() for _ in links)
    made: tuple[set[Link], ...] = tuple(set() for _ in links)
    for record in await tx.fetch(_ADD_AND_LINK if with_new else _LINK, *args):
        made[record["kind"]].add((record["game_id"], record["name_id"]))
    return made


async def update_games(tx: Transaction, ids: Sequence[str], *, now: datetime) -> int:
    """Give the games what was staged for them, and return how many there were."""
    # In the order of their ids, so that two writers always lock in the same order.
    await tx.execute(_LOCK_GAMES, ids)
    return await tx.execute(_UPDATE_GAMES, ids, now)


async def remember_offers(tx: Transaction, ids: Sequence[str], *, now: datetime) -> None:
    """Keep the supplier's raw figures beside the games."""
    await tx.execute(_REMEMBER, ids, now)


async def list_links(tx: Transaction, ids: Sequence[str]) -> list[GameLinks]:
    """List the links that the sync made for the games."""
    return rows(GameLinks, await tx.fetch(_LINKS, ids))


async def forget_lost_names(tx: Transaction) -> None:
    """Forget what the supplier said of games that were linked to a name which is gone."""
    await tx.execute(_FORGET_LOST_NAMES)


async def remember_links(tx: Transaction, links: Sequence[GameLinks]) -> None:
    """Keep which links the sync made, and for which of the supplier's words."""
    await tx.execute(
        _REMEMBER_LINKS,
        [game.game_id for game in links],
        # Ids hold no space; an array of arrays of different lengths cannot be sent.
        [" ".join(game.platform_links) for game in links],
        [" ".join(game.genre_links) for game in links],
        [" ".join(game.category_links) for game in links],
    )


_COUNT_BEST_SELLERS = 'SELECT count(*) FROM games WHERE "isBestSeller"'
_COUNT_PREORDERS = 'SELECT count(*) FROM games WHERE "isPreorder"'
_COUNT_RELEASED_SINCE = """
    SELECT count(*) FROM games WHERE "releaseDate" >= $1 AND "inStock" AND NOT "isPreorder"
"""

_MARK_BEST_SELLERS = """
    UPDATE games SET "isBestSeller" = true, "updatedAt" = $2 WHERE id IN (
        SELECT id FROM games WHERE "inStock" ORDER BY "g2aProductId" LIMIT $1
    )
"""
_MARK_PREORDERS = """
    UPDATE games SET "isPreorder" = true, "updatedAt" = $2 WHERE id IN (
        SELECT id FROM games WHERE "inStock" AND NOT "isBestSeller"
        ORDER BY "g2aProductId" DESC LIMIT $1
    )
"""
_RELEASE_UNDATED = """
    UPDATE games SET "releaseDate" = $2, "updatedAt" = $3 WHERE id IN (
        SELECT id FROM games WHERE "inStock" AND NOT "isPreorder" AND "releaseDate" = $4
        ORDER BY "g2aProductId" LIMIT $1
    )
"""


async def count_best_sellers(tx: Transaction) -> int:
    """Count the games marked as best sellers."""
    return int(await tx.fetchval(_COUNT_BEST_SELLERS))


async def count_preorders(tx: Transaction) -> int:
    """Count the games marked as preorders."""
    return int(await tx.fetchval(_COUNT_PREORDERS))


async def count_released_since(tx: Transaction, moment: datetime) -> int:
    """Count the games in stock that were released since, or will be."""
    return int(await tx.fetchval(_COUNT_RELEASED_SINCE, moment))


async def mark_best_sellers(tx: Transaction, *, limit: int, now: datetime) -> None:
    """Mark some games in stock as best sellers."""
    await tx.execute(_MARK_BEST_SELLERS, limit, now)


async def mark_preorders(tx: Transaction, *, limit: int, now: datetime) -> None:
    """Mark some games in stock as preorders."""
    await tx.execute(_MARK_PREORDERS, limit, now)


async def release_undated(
    tx: Transaction, released: datetime, *, limit: int, now: datetime
) -> None:
    """Give some games in stock that have no release date this one."""
    await tx.execute(_RELEASE_UNDATED, limit, released, now, UNKNOWN_RELEASE_DATE)
