"""The SQL of the links from games to platforms, genres and categories; it also inserts new games."""

from collections.abc import Iterable, Sequence
from typing import Final

from keyshop.catalog.models import GameLinks
from keyshop.catalog.queries import QUOTED_COLUMNS
from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Transaction

# One statement: the triggers that maintain game_facets then see a new game with its links, and write
# its row once. The index of names in game_facets is the largest cost of a new game.
_INSERT_LINKS: Final = """
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
_INSERT_GAMES_AND_LINKS: Final = _INSERT_LINKS.replace(
    "WITH ",
    f"""WITH new_games AS (
        INSERT INTO games ({QUOTED_COLUMNS}) SELECT {QUOTED_COLUMNS} FROM pg_temp.staged_new
    ), """,  # noqa: S608 - made of constants
)

_LINKS = """
    SELECT game_id, platform_links, genre_links, category_links
    FROM keyshop.supplier_games WHERE game_id = ANY($1::text[]) ORDER BY game_id
"""

_STORE_LINKS = """
    UPDATE keyshop.supplier_games AS m SET
        platform = s.platform,
        categories = s.categories,
        platform_links = string_to_array(l.platforms, ' '),
        genre_links = string_to_array(l.genres, ' '),
        category_links = string_to_array(l.categories, ' ')
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
        AS l (game_id, platforms, genres, categories), pg_temp.staged AS s
    WHERE m.game_id = l.game_id AND s.product_id = m.product_id
"""

# Ids in the stored links that no table of names has any more.
_LIST_UNUSED_NAMES = """
    (SELECT unnest(platform_links) AS id FROM keyshop.supplier_games EXCEPT SELECT id FROM platforms)
    UNION ALL
    (SELECT unnest(genre_links) FROM keyshop.supplier_games EXCEPT SELECT id FROM genres)
    UNION ALL
    (SELECT unnest(category_links) FROM keyshop.supplier_games EXCEPT SELECT id FROM categories)
"""

_MARK_FOR_LINKING = """
    UPDATE keyshop.supplier_games SET platform = NULL, categories = NULL
    WHERE (platform_links || genre_links || category_links) && $1::text[]
"""

Link = tuple[str, str]
"""The id of a game and the id of a platform, genre or category."""


async def insert_games_and_links(
    tx: Transaction, links: Sequence[Iterable[Link]], *, with_new: bool
) -> tuple[set[Link], ...]:
    """
    Insert links to platforms, genres and categories, and return those that were not there.

    `with_new` inserts the games of `stage_new_games` too, in the same statement.
    """
    args: list[list[str]] = []
    for kind in links:
        ordered = sorted(kind)
        args += [[game for game, _ in ordered], [name for _, name in ordered]]
    added: tuple[set[Link], ...] = tuple(set() for _ in links)
    if with_new or any(args):
        for record in await tx.fetch(_INSERT_GAMES_AND_LINKS if with_new else _INSERT_LINKS, *args):
            added[record["kind"]].add((record["game_id"], record["name_id"]))
    return added


async def list_links(tx: Transaction, game_ids: Sequence[str]) -> list[GameLinks]:
    """List the links that earlier syncs made for the games."""
    return rows(GameLinks, await tx.fetch(_LINKS, game_ids))


async def list_unused_names(tx: Transaction) -> list[str]:
    """Return the ids of names that games were linked to and that were deleted since."""
    return [record["id"] for record in await tx.fetch(_LIST_UNUSED_NAMES)]


async def mark_for_linking(tx: Transaction, name_ids: Sequence[str]) -> None:
    """Make the games that were linked to these names differ from what the supplier says."""
    await tx.execute(_MARK_FOR_LINKING, name_ids)


async def store_links(tx: Transaction, links: Sequence[GameLinks]) -> None:
    """Store which links the sync made, and from which of the supplier's values."""
    if not links:
        return
    await tx.execute(
        _STORE_LINKS,
        [game.game_id for game in links],
        # Ids contain no space; PostgreSQL has no arrays of arrays of different lengths.
        [" ".join(game.platform_links) for game in links],
        [" ".join(game.genre_links) for game in links],
        [" ".join(game.category_links) for game in links],
    )
