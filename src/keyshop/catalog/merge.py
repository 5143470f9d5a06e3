"""Merge a batch of the supplier's products into the catalogue: stage, compare, write the changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from keyshop.catalog import link_queries, queries, staged_queries
from keyshop.catalog.models import GameDifference, MergeResult, NewGame, SupplierGame
from keyshop.catalog.new_games import build_new_games
from keyshop.catalog.sync_links import sync_links
from keyshop.kit.database.transaction import Transaction


async def merge_games(
    tx: Transaction, batch: Iterable[SupplierGame], *, now: datetime
) -> MergeResult:
    """
    Write what differs between the batch and the catalogue, and nothing else.

    A product without a game becomes a new game when it has a description and a price; otherwise
    its id is among the `unknown` of the result. Of two entries for one product the later counts.
    """
    products = {product.offer.product_id: product for product in batch}
    await staged_queries.stage(tx, products.values())
    differences = await staged_queries.list_differences(tx)

    without_game = _without_game(products, differences)
    new_games = await build_new_games(tx, without_game)
    await queries.stage_new_games(tx, new_games, now=now)
    updated = await _update_games(tx, differences, now=now)
    linked = await sync_links(
        tx, products, _to_link(differences, new_games), with_new=bool(new_games)
    )
    await _store_offers(tx, differences, new_games, now=now)
    await link_queries.store_links(tx, linked.links)

    unknown = {product.offer.product_id for product in without_game}
    return MergeResult(
        added=len(new_games),
        updated=updated,
        relinked=len(linked.links) - len(new_games),
        unknown=tuple(sorted(unknown - {game.product_id for game in new_games})),
        genres_created=linked.genres_created,
        platforms_created=linked.platforms_created,
        categories_created=linked.categories_created,
    )


def _without_game(
    products: Mapping[str, SupplierGame], differences: Sequence[GameDifference]
) -> list[SupplierGame]:
    """Return the products without a game, in the supplier's order."""
    unknown = {difference.product_id for difference in differences if difference.game_id is None}
    return [product for product_id, product in products.items() if product_id in unknown]


async def _update_games(
    tx: Transaction, differences: Sequence[GameDifference], *, now: datetime
) -> int:
    ids = [each.game_id for each in differences if each.game_id and each.game_differs]
    return await queries.update_games(tx, ids, now=now)


def _to_link(differences: Sequence[GameDifference], new_games: Sequence[NewGame]) -> dict[str, str]:
    """Return the product id of each game whose links are to be written."""
    differing = {
        each.game_id: each.product_id
        for each in differences
        if each.game_id is not None and each.links_differ
    }
    return differing | {game.id: game.product_id for game in new_games}


async def _store_offers(
    tx: Transaction,
    differences: Sequence[GameDifference],
    new_games: Sequence[NewGame],
    *,
    now: datetime,
) -> None:
    ids = [each.game_id for each in differences if each.game_id and each.offer_differs]
    await queries.store_offers(tx, [*ids, *(game.id for game in new_games)], now=now)
