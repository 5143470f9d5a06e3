"""Decisions of a sync: what a product becomes in the shop, and when a run is complete."""

from enum import StrEnum
from typing import Final

import nh3
from msgspec import Struct

from keyshop.catalog.models import Description, Offer, SupplierGame
from keyshop.catalog.rules import MAX_PRICE, PriceBasis, shop_price, supplier_price
from keyshop.supplier.models import Product
from keyshop.supplier.protocol import LAST_PAGE, PAGE_SIZE

BATCH: Final = 500  # products that are written in one transaction
PAGES_AT_ONCE: Final = 6
PAGES_LOST_IN_A_ROW: Final = 5  # then the supplier is taken to be away, and the run ends


class RunKind(StrEnum):
    """What a run brings over."""

    FULL = "full"  # everything the supplier says of its products; new ones become games
    STOCK = "stock"  # price and stock of the games that the shop has

    @property
    def label(self) -> str:
        """Return the kind in words."""
        return "full sync" if self is RunKind.FULL else "stock check"


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "RUNNING"  # going on, or cut off and not yet noticed
    COMPLETE = "COMPLETE"  # every product that the supplier counts was answered and dealt with
    INCOMPLETE = "INCOMPLETE"  # what was answered is written; something was not answered
    FAILED = "FAILED"  # ended by a fault of the shop's own
    INTERRUPTED = "INTERRUPTED"  # its process ended; what it wrote up to then stays


class SyncPolicy(Struct, frozen=True, kw_only=True):
    """How the supplier's figures are read, and how far a run reads."""

    price_basis: PriceBasis = PriceBasis.HIGHEST
    trust_qty: bool = False
    last_page: int = LAST_PAGE
    pages_at_once: int = PAGES_AT_ONCE


class Unsellable(Struct, frozen=True):
    """A product that cannot go into the shop, and why."""

    product_id: str
    reason: str


def as_game(product: Product, *, kind: RunKind, policy: SyncPolicy) -> SupplierGame | Unsellable:
    """Return what the product becomes in the shop."""
    asked = supplier_price(
        min_price=product.min_price,
        retail_min_price=product.retail_min_price,
        basis=policy.price_basis,
    )
    price = shop_price(asked) if asked is not None else None
    if price is not None and not 0 < price <= MAX_PRICE:
        return Unsellable(product.id, "Its price is outside what the shop can ask.")
    offer = Offer(
        product_id=product.id,
        price=price,
        in_stock=_in_stock(product, priced=price is not None, trust_qty=policy.trust_qty),
        qty=product.qty,
        available_to_buy=product.available_to_buy,
        min_price=product.min_price,
        retail_min_price=product.retail_min_price,
        retail_min_base_price=product.retail_min_base_price,
    )
    described = _describe(product) if kind is RunKind.FULL else None
    return SupplierGame(offer=offer, description=described)


def _in_stock(product: Product, *, priced: bool, trust_qty: bool) -> bool | None:
    """Test whether the shop can buy it; None when the answer contradicts itself."""
    if product.qty == 0:
        return False
    if not priced:
        # There are keys but no price for them: neither is believed.
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
    Return the text of a piece of HTML, still escaped, so that it is safe inside a page.

    The storefront shows descriptions as HTML; a script in the supplier's must not run in it.
    """
    return nh3.clean(html, tags=set(), attributes={}).strip() if html else ""


def pages_of(total: int) -> int:
    """Return how many pages a list of `total` products has."""
    return -(-total // PAGE_SIZE)


def why_incomplete(
    *, total: int | None, answered: int, pages: int, pages_failed: int, last_page: int
) -> str | None:
    """Return in a sentence what a run did not see of the supplier's list, or None: it saw all."""
    if total is None:
        return "The supplier's list could not be read; nothing was changed."
    listed = pages_of(total)
    if pages_failed:
        unasked = max(0, min(listed, last_page) - pages - pages_failed)
        rest = f", and {unasked} were not asked for any more" if unasked else ""
        return f"{pages_failed} of {listed} pages could not be read{rest}."
    if listed > last_page:
        return (
            f"The supplier counts {total} products, and its list shows no more than "
            f"{last_page * PAGE_SIZE} of them."
        )
    if answered < total:
        return f"The supplier counts {total} products, but listed only {answered}."
    return None
