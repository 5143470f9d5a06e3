"""Decisions of a sync: how a product becomes a game, and when a run is complete."""

from enum import StrEnum
from typing import Final

import nh3
from msgspec import Struct

from keyshop.catalog.models import Description, Offer, SupplierGame
from keyshop.catalog.rules import MAX_PRICE, PriceBasis, shop_price, supplier_price
from keyshop.supplier.models import Product
from keyshop.supplier.protocol import LAST_PAGE, PAGE_SIZE

BATCH_SIZE: Final = 500  # products that are written in one transaction
MAX_PARALLEL_PAGES: Final = 6
MAX_CONSECUTIVE_LOST_PAGES: Final = 5  # then the supplier counts as unreachable, and the run ends


class RunKind(StrEnum):
    FULL = "full"  # all that the supplier says of its products; unknown products become games
    STOCK = "stock"  # price and stock of the games that the shop has

    @property
    def label(self) -> str:
        return "full sync" if self is RunKind.FULL else "stock check"


def lock_name(kind: RunKind) -> str:
    """Return the name of the database lock that a run of this kind holds."""
    return f"keyshop.sync.{kind}"


class RunState(StrEnum):
    RUNNING = "RUNNING"  # in progress, or its process ended and was not noticed yet
    COMPLETE = "COMPLETE"  # every product that the supplier counts was read and handled
    INCOMPLETE = "INCOMPLETE"  # what was read is written; some of the list was not read
    SUSPECT = "SUSPECT"  # the list was read, but cannot be true; nothing counts as missing
    FAILED = "FAILED"  # ended by an internal error
    INTERRUPTED = "INTERRUPTED"  # its process ended; what it had written stays


class SyncPolicy(Struct, frozen=True, kw_only=True):
    """How to interpret the supplier's prices and quantities, and how much to read."""

    price_basis: PriceBasis = PriceBasis.HIGHEST
    trust_qty: bool = False
    last_page: int = LAST_PAGE
    max_parallel_pages: int = MAX_PARALLEL_PAGES


class Rejection(Struct, frozen=True):
    """An entry that cannot go into the shop; its id is empty where the supplier gave none."""

    product_id: str
    reason: str
    page: int | None = None


def as_game(product: Product, *, kind: RunKind, policy: SyncPolicy) -> SupplierGame | Rejection:
    """Return the product as a game of the shop, or why it cannot be one."""
    cost = supplier_price(
        min_price=product.min_price,
        retail_min_price=product.retail_min_price,
        basis=policy.price_basis,
    )
    price = shop_price(cost) if cost is not None else None
    if price is not None and not 0 < price <= MAX_PRICE:
        return Rejection(product.id, "Its price is outside the range that the shop can store.")
    offer = Offer(
        product_id=product.id,
        price=price,
        in_stock=_in_stock(product, has_price=price is not None, trust_qty=policy.trust_qty),
        qty=product.qty,
        available_to_buy=product.available_to_buy,
        min_price=product.min_price,
        retail_min_price=product.retail_min_price,
        retail_min_base_price=product.retail_min_base_price,
    )
    description = _describe(product) if kind is RunKind.FULL else None
    return SupplierGame(offer=offer, description=description)


def _in_stock(product: Product, *, has_price: bool, trust_qty: bool) -> bool | None:
    """Test whether the shop can buy a key; None when the answer contradicts itself."""
    if product.qty == 0:
        return False
    if not has_price:
        # Keys without a price: either value may be wrong.
        return None
    return product.available_to_buy or trust_qty


def _describe(product: Product) -> Description:
    image = product.cover_image or next(iter(product.images), "")
    return Description(
        title=product.name,
        image=image or None,
        images=product.images,
        region=product.region or None,
        publisher=product.publisher or None,
        release_date=product.release_date,
        platform=product.platform or None,
        categories=product.categories,
        text=plain_text(product.description) or None,
    )


def plain_text(html: str) -> str:
    """
    Return the text of the HTML without tags, still escaped, so that a page may contain it.

    The storefront renders descriptions as HTML, so a script in one of them would run there.
    """
    return nh3.clean(html, tags=set(), attributes={}).strip() if html else ""


def count_pages(total: int) -> int:
    """Return how many pages a list of `total` products has."""
    return -(-total // PAGE_SIZE)


def find_suspect_reason(*, total: int | None, unseen: int | None) -> str | None:
    """Return as a sentence why the list cannot be true, or None; `unseen` games were not in it."""
    if total == 0 and unseen:
        return (
            f"The supplier's list is empty, but the shop has {unseen} of its games."
            " Nothing was changed or counted as missing."
        )
    return None


def find_incomplete_reason(
    *, total: int | None, answered: int, pages: int, pages_failed: int, last_page: int
) -> str | None:
    """Return as a sentence what a run did not read of the list, or None when it read all of it."""
    if total is None:
        return "The supplier's list could not be read. Nothing was changed."
    listed = count_pages(total)
    if pages_failed:
        skipped = max(0, min(listed, last_page) - pages - pages_failed)
        rest = f", and {skipped} were not requested" if skipped else ""
        return f"{pages_failed} of {listed} pages could not be read{rest}."
    if listed > last_page:
        return (
            f"The supplier counts {total} products, but its list shows at most "
            f"{last_page * PAGE_SIZE} of them."
        )
    if answered < total:
        return f"The supplier counts {total} products, but listed only {answered}."
    return None
