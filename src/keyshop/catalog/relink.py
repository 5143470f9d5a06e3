"""Bring the links between games and platforms, genres and categories to the supplier's word."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from keyshop.catalog import queries
from keyshop.catalog.models import SupplierGame
from keyshop.catalog.names import (
    CATEGORIES,
    GENRES,
    PLATFORMS,
    Names,
    add_links,
    ensure_names,
    remove_links,
)
from keyshop.kit.database import Transaction


class Relinked(Struct, frozen=True, kw_only=True):
    """How many games were linked anew, and how many names had to be made."""

    games: int = 0
    platforms_created: int = 0
    genres_created: int = 0
    categories_created: int = 0


async def relink(
    tx: Transaction, games: Mapping[str, SupplierGame], products: Mapping[str, str]
) -> Relinked:
    """
    Link the games (id: product id) as the supplier's batch (by product id) says.

    Only links that an earlier call made are removed, so what an operator linked by hand stays.
    """
    if not products:
        return Relinked()
    platforms: dict[str, set[str]] = {}
    categories: dict[str, set[str]] = {}
    for game_id, product_id in products.items():
        told = games[product_id].description
        if told is not None:
            platforms[game_id] = {told.platform} if told.platform else set()
            categories[game_id] = set(told.categories)

    links = await queries.list_links(tx, list(products))
    mine = {game.game_id: game for game in links}
    made_platforms, new_platforms = await _bring(
        tx, PLATFORMS, {id_: game.platform_links for id_, game in mine.items()}, platforms
    )
    made_genres, new_genres = await _bring(
        tx, GENRES, {id_: game.genre_links for id_, game in mine.items()}, categories
    )
    made_categories, new_categories = await _bring(
        tx, CATEGORIES, {id_: game.category_links for id_, game in mine.items()}, categories
    )
    await queries.remember_links(
        tx,
        [
            queries.GameLinks(id_, made_platforms[id_], made_genres[id_], made_categories[id_])
            for id_ in mine
        ],
    )
    return Relinked(
        games=len(mine),
        platforms_created=new_platforms,
        genres_created=new_genres,
        categories_created=new_categories,
    )


async def _bring(
    tx: Transaction,
    kind: Names,
    mine: Mapping[str, list[str]],
    wanted: Mapping[str, Iterable[str]],
) -> tuple[dict[str, list[str]], int]:
    """Return which links are the sync's own now, by game, and how many names were made."""
    ids, made = await ensure_names(tx, kind, {name for names in wanted.values() for name in names})
    should = {(game, ids[name]) for game, names in wanted.items() for name in names}
    have = {(game, name_id) for game, name_ids in mine.items() for name_id in name_ids}
    await remove_links(tx, kind, have - should)
    # A link that is there without being ours was made by hand: it is not ours from now on either.
    ours = (have & should) | await add_links(tx, kind, should - have)
    by_game: dict[str, list[str]] = {game: [] for game in mine}
    for game, name_id in sorted(ours):
        by_game[game].append(name_id)
    return by_game, made
