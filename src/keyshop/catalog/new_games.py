"""Turn products without a game into new games."""

from collections.abc import Iterable, Mapping

from keyshop.catalog import queries
from keyshop.catalog.models import NewGame, SupplierGame
from keyshop.catalog.rules import choose_slug
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id


async def build_new_games(tx: Transaction, products: Iterable[SupplierGame]) -> list[NewGame]:
    """
    Return a new game for each product that has a description and a price.

    Of two products of one title, the earlier one has the slug without a suffix.
    """
    complete = [
        (product.offer, price, description)
        for product in products
        if (price := product.offer.price) is not None
        and (description := product.description) is not None
    ]
    slugs = await _choose_free_slugs(
        tx, {offer.product_id: description.title for offer, _, description in complete}
    )
    return [
        NewGame(
            id=new_id(),
            product_id=offer.product_id,
            slug=slugs[offer.product_id],
            price=price,
            in_stock=bool(offer.in_stock),
            description=description,
        )
        for offer, price, description in complete
    ]


async def _choose_free_slugs(tx: Transaction, titles: Mapping[str, str]) -> dict[str, str]:
    """Return a slug for each product (id: title) that no game has."""
    checked: set[str] = set()
    taken: set[str] = set()
    while True:
        slugs = _choose_distinct_slugs(titles, taken)
        # The replacement of a taken slug may be taken as well, by a game made by hand.
        unchecked = set(slugs.values()) - checked
        if not unchecked:
            return slugs
        taken |= await queries.list_taken_slugs(tx, unchecked)
        checked |= unchecked


def _choose_distinct_slugs(titles: Mapping[str, str], taken: Iterable[str]) -> dict[str, str]:
    used = set(taken)
    slugs: dict[str, str] = {}
    for product_id, title in titles.items():
        slug = choose_slug(title, suffix=product_id, taken=used)
        used.add(slug)
        slugs[product_id] = slug
    return slugs
