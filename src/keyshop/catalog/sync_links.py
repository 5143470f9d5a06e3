"""Bring the links between games and platforms, genres and categories to the supplier's word."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from keyshop.catalog import link_queries
from keyshop.catalog.link_queries import GameLinks, Link
from keyshop.catalog.models import SupplierGame
from keyshop.catalog.names import CATEGORIES, GENRES, PLATFORMS, Names, ensure_names, remove_links
from keyshop.kit.database.transaction import Transaction


class Relinked(Struct, frozen=True, kw_only=True):
    """The links that are the sync's own now, by game, and how many names had to be made."""

    links: Sequence[GameLinks] = ()
    platforms_created: int = 0
    genres_created: int = 0
    categories_created: int = 0


class _Change(Struct, frozen=True):
    """The links of one kind: what the sync made earlier, what should be, how many names are new."""

    have: set[Link]
    should: set[Link]
    names_made: int


async def sync_links(
    tx: Transaction,
    games: Mapping[str, SupplierGame],
    products: Mapping[str, str],
    *,
    added: Collection[str],
) -> Relinked:
    """
    Link the games (id: product id) as the supplier's batch (by product id) says.

    Those `added` are inserted with their links. Only links that an earlier call made are removed,
    so what an operator linked by hand stays.
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

    mine = await link_queries.list_links(tx, list(products))
    changes = (
        await _bring(
            tx, PLATFORMS, {game.game_id: game.platform_links for game in mine}, platforms
        ),
        await _bring(tx, GENRES, {game.game_id: game.genre_links for game in mine}, categories),
        await _bring(
            tx, CATEGORIES, {game.game_id: game.category_links for game in mine}, categories
        ),
    )
    made = await link_queries.add_links(
        tx, [change.should - change.have for change in changes], with_new=bool(added)
    )
    # A link that is there without being ours was made by hand: it is not ours from now on either.
    ours = [
        _by_game(products, (change.have & change.should) | new)
        for change, new in zip(changes, made, strict=True)
    ]
    return Relinked(
        links=[GameLinks(id_, *(kind[id_] for kind in ours)) for id_ in products],
        platforms_created=changes[0].names_made,
        genres_created=changes[1].names_made,
        categories_created=changes[2].names_made,
    )


async def find_unused_names(tx: Transaction) -> None:
    """
    Let the next batches link games anew whose platform, genre or category was deleted.

    The supplier's words did not change, so nothing else would bring the links back.
    """
    await link_queries.forget_lost_names(tx)


async def _bring(
    tx: Transaction,
    kind: Names,
    mine: Mapping[str, list[str]],
    wanted: Mapping[str, Iterable[str]],
) -> _Change:
    """Make the names that are missing, and take away the links that should not be."""
    ids, made = await ensure_names(tx, kind, {name for names in wanted.values() for name in names})
    should = {(game, ids[name]) for game, names in wanted.items() for name in names}
    have = {(game, name_id) for game, name_ids in mine.items() for name_id in name_ids}
    await remove_links(tx, kind, have - should)
    return _Change(have, should, made)


def _by_game(games: Iterable[str], links: Iterable[Link]) -> dict[str, list[str]]:
    by_game: dict[str, list[str]] = {game: [] for game in games}
    for game, name_id in sorted(links):
        by_game[game].append(name_id)
    return by_game
