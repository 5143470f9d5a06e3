"""Bring a batch of the supplier's products into the catalogue: stage, compare, write the change."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from keyshop.catalog import link_queries, queries
from keyshop.catalog.models import Description, KnownGame, MergeResult, SupplierGame
from keyshop.catalog.rules import NO_COVER, UNKNOWN_RELEASE_DATE, choose_slug
from keyshop.catalog.sync_links import sync_links
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id


async def merge_games(
    tx: Transaction, batch: Iterable[SupplierGame], *, now: datetime
) -> MergeResult:
    """
    Write what differs between the batch and the catalogue, and nothing else.

    A product that no game stands for becomes a new game when it has a description and a price;
    else its id is among the `unknown` of the answer. Of two entries for one product the later
    counts.
    """
    games = {game.offer.product_id: game for game in batch}
    await queries.stage(tx, games.values())
    differing = await queries.list_differing(tx)

    strangers = {known.product_id for known in differing if known.game_id is None}
    # In the supplier's order: of two products of one name, the earlier has the plain address.
    missing = [game for product_id, game in games.items() if product_id in strangers]
    new = [new for game in missing if (new := _as_new(game)) is not None]
    added = await _stage_new(tx, new, now=now)
    updated = await _update(tx, differing, now=now)
    relinked = await sync_links(tx, games, _linked(differing) | added, added=added)
    await _remember(tx, differing, added, now=now)
    if relinked.links:
        await link_queries.remember_links(tx, relinked.links)

    unknown = {game.offer.product_id for game in missing} - {game.product_id for game in new}
    return MergeResult(
        added=len(added),
        updated=updated,
        relinked=len(relinked.links) - len(added),
        unknown=tuple(sorted(unknown)),
        genres_created=relinked.genres_created,
        platforms_created=relinked.platforms_created,
        categories_created=relinked.categories_created,
    )


class _NewGame(Struct, frozen=True):
    """A product with all that a game cannot be without."""

    product_id: str
    price: Decimal
    in_stock: bool
    told: Description


def _as_new(game: SupplierGame) -> _NewGame | None:
    offer = game.offer
    if game.description is None or offer.price is None:
        return None
    return _NewGame(offer.product_id, offer.price, bool(offer.in_stock), game.description)


def _linked(differing: Sequence[KnownGame]) -> dict[str, str]:
    """Return the product behind each game whose links differ."""
    return {
        known.game_id: known.product_id
        for known in differing
        if known.game_id is not None and known.links_differ
    }


async def _stage_new(
    tx: Transaction, games: Sequence[_NewGame], *, now: datetime
) -> dict[str, str]:
    """Put the games aside for `sync_links`, and return the product behind each new id."""
    if not games:
        return {}
    slugs = await _choose_slugs(tx, games)
    ids = {new_id(): game for game in games}
    await queries.stage_new(
        tx, (_row(id_, game, slug=slugs[game.product_id], now=now) for id_, game in ids.items())
    )
    return {id_: game.product_id for id_, game in ids.items()}


async def _choose_slugs(tx: Transaction, games: Sequence[_NewGame]) -> dict[str, str]:
    asked: set[str] = set()
    taken: set[str] = set()
    while True:
        chosen = _tell_apart(games, taken)
        # What stands in for a taken slug may be taken as well, by a game made by hand.
        unsure = set(chosen.values()) - asked
        if not unsure:
            return chosen
        taken |= await queries.list_taken_slugs(tx, unsure)
        asked |= unsure


def _tell_apart(games: Sequence[_NewGame], taken: Iterable[str]) -> dict[str, str]:
    """Return a slug for each product that is neither taken nor another one's."""
    gone = set(taken)
    chosen: dict[str, str] = {}
    for game in games:
        slug = choose_slug(game.told.title, apart=game.product_id, taken=gone)
        gone.add(slug)
        chosen[game.product_id] = slug
    return chosen


def _row(id_: str, game: _NewGame, *, slug: str, now: datetime) -> tuple[object, ...]:
    """Return the game's values for `queries.stage_new`."""
    told = game.told
    return (
        id_,
        told.title,
        slug,
        told.text or told.title,
        game.price,
        told.image or NO_COVER,
        told.images,
        game.in_stock,
        game.product_id,
        game.in_stock,
        now,
        told.release_date or UNKNOWN_RELEASE_DATE,
        told.platform,
        told.region,
        told.publisher,
        (),
        now,
        now,
    )


async def _update(tx: Transaction, differing: Sequence[KnownGame], *, now: datetime) -> int:
    ids = [known.game_id for known in differing if known.game_id and known.game_differs]
    return await queries.update_games(tx, ids, now=now) if ids else 0


async def _remember(
    tx: Transaction, differing: Sequence[KnownGame], added: Iterable[str], *, now: datetime
) -> None:
    ids = [known.game_id for known in differing if known.game_id and known.memory_differs]
    ids.extend(added)
    if ids:
        await queries.remember_offers(tx, ids, now=now)
