"""The SQL of links between games and their platforms, genres and categories."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from keyshop.catalog.queries import QUOTED_COLUMNS
from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Transaction

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
    f"""WITH new_games AS (
        INSERT INTO games ({QUOTED_COLUMNS}) SELECT {QUOTED_COLUMNS} FROM staged_new
    ), """,  # noqa: S608 - made of constants
)

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
