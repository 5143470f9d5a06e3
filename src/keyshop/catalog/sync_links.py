"""Link games with the platforms, genres and categories that the supplier names for them."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from keyshop.catalog import link_queries
from keyshop.catalog.link_queries import Link
from keyshop.catalog.models import GameLinks, LinkResult, SupplierGame
from keyshop.catalog.names import (
    CATEGORIES,
    GENRES,
    PLATFORMS,
    NameKind,
    ensure_names,
    remove_links,
)
from keyshop.kit.database.transaction import Transaction

NamesByGame = dict[str, tuple[str, ...]]


class _LinkChange(Struct, frozen=True):
    """The links of one kind: those that the sync made earlier, and those that there should be."""

    current: set[Link]
    wanted: set[Link]
    names_created: int


async def sync_links(
    tx: Transaction,
    products: Mapping[str, SupplierGame],
    games: Mapping[str, str],
    *,
    with_new: bool,
) -> LinkResult:
    """
    Link the games (game id: product id) as the batch (by product id) says.

    `with_new` also inserts the games of `stage_new_games`. Only links that an earlier sync made
    are removed, so links made by hand stay.
    """
    if not games:
        return LinkResult()
    platforms, categories = _list_wanted_names(products, games)

    synced = await link_queries.list_links(tx, list(games))
    changes = (
        await _prune_links(tx, PLATFORMS, {g.game_id: g.platform_links for g in synced}, platforms),
        await _prune_links(tx, GENRES, {g.game_id: g.genre_links for g in synced}, categories),
        await _prune_links(
            tx, CATEGORIES, {g.game_id: g.category_links for g in synced}, categories
        ),
    )
    added = await link_queries.insert_games_and_links(
        tx, [change.wanted - change.current for change in changes], with_new=with_new
    )

    # A wanted link that was there already was made by hand, and stays the operator's.
    links_by_kind = [
        _group_by_game(games, (change.current & change.wanted) | new)
        for change, new in zip(changes, added, strict=True)
    ]
    return LinkResult(
        links=[GameLinks(game_id, *(kind[game_id] for kind in links_by_kind)) for game_id in games],
        platforms_created=changes[0].names_created,
        genres_created=changes[1].names_created,
        categories_created=changes[2].names_created,
    )


async def relink_deleted_names(tx: Transaction) -> None:
    """
    Mark games whose platform, genre or category was deleted, so that the next merge links them.

    What the supplier says of these games did not change, so the comparison alone would miss them.
    """
    if unused := await link_queries.list_unused_names(tx):
        await link_queries.mark_for_linking(tx, unused)


def _list_wanted_names(
    products: Mapping[str, SupplierGame], games: Mapping[str, str]
) -> tuple[NamesByGame, NamesByGame]:
    """Return the platforms and the categories that the supplier names, by game."""
    platforms: NamesByGame = {}
    categories: NamesByGame = {}
    for game_id, product_id in games.items():
        description = products[product_id].description
        if description is not None:
            platforms[game_id] = (description.platform,) if description.platform else ()
            categories[game_id] = description.categories
    return platforms, categories


async def _prune_links(
    tx: Transaction,
    kind: NameKind,
    synced: Mapping[str, list[str]],
    wanted: NamesByGame,
) -> _LinkChange:
    """Remove the links that are no longer wanted, and return what is to be linked, by ids."""
    ids, created = await ensure_names(
        tx, kind, {name for names in wanted.values() for name in names}
    )
    wanted_links = {(game, ids[name]) for game, names in wanted.items() for name in names}
    current = {(game, name_id) for game, name_ids in synced.items() for name_id in name_ids}
    await remove_links(tx, kind, current - wanted_links)
    return _LinkChange(current, wanted_links, created)


def _group_by_game(games: Iterable[str], links: Iterable[Link]) -> dict[str, list[str]]:
    by_game: dict[str, list[str]] = {game: [] for game in games}
    for game, name_id in sorted(links):
        by_game[game].append(name_id)
    return by_game
