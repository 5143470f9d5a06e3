"""Decode a page of the product list. A bad entry is rejected, and the others stay."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from keyshop.gateways.g2a.values import (
    clean_name,
    clean_names,
    clean_text,
    clean_texts,
    find_digits,
    format_value,
    read_count,
    read_flag,
    read_moment,
    read_price,
)
from keyshop.gateways.g2a.wire import MalformedResponse, PageWire, ProductWire, decode_page
from keyshop.supplier.models import Product, ProductPage, RejectedProduct

# Lengths in characters, far above any real text. Without a limit, one answer could fill the disk.
_MAX_NAME: Final = 500
_MAX_WORD: Final = 200
_MAX_URL: Final = 2_000
_MAX_DESCRIPTION: Final = 100_000
_MAX_ENTRIES: Final = 50  # images or categories of one product
_FIRST_YEAR: Final = 1950
_LAST_YEAR: Final = 2100


def read_page(body: bytes, *, number: int) -> ProductPage:
    """
    Return the page with its valid and its rejected entries.

    Raises:
        MalformedResponse: the page is malformed, or is not the requested page.
    """
    page = decode_page(body)
    total = _read_total(page)
    if page.page is not None and read_count("page", page.page) != number:
        raise MalformedResponse(
            f"Page {number} was requested, page {format_value(page.page)} was sent."
        )
    products: list[Product] = []
    rejected: list[RejectedProduct] = []
    for doc in page.docs:
        try:
            products.append(_read_product(doc))
        except MalformedResponse as reason:
            found = find_digits(doc.id) if doc is not None else None
            rejected.append(RejectedProduct(id=found, reason=str(reason)))
    return ProductPage(
        number=number, total=total, products=tuple(products), rejected=tuple(rejected)
    )


def read_product(body: bytes, *, product_id: str) -> Product | None:
    """
    Return the requested product, or None when the list has none with its id.

    Raises:
        MalformedResponse: another product was sent, or this one is malformed.
    """
    page = read_page(body, number=1)
    for product in page.products:
        if product.id == product_id:
            return product
    for entry in page.rejected:
        raise MalformedResponse(entry.reason)
    if page.products or page.total:
        raise MalformedResponse(f"Product {product_id} was requested, another one was sent.")
    return None


def _read_total(page: PageWire) -> int:
    total = read_count("total", page.total)
    if total < len(page.docs):
        raise MalformedResponse(f"The page has {len(page.docs)} products of a total of {total}.")
    return total


def _read_product(doc: ProductWire | None) -> Product:
    if doc is None:
        raise MalformedResponse("The entry is not a JSON object.")
    product_id = find_digits(doc.id)
    if product_id is None:
        raise MalformedResponse(f"id does not consist of digits: {format_value(doc.id)}.")
    name = clean_name(doc.name, limit=_MAX_NAME)
    if not name:
        raise MalformedResponse("The product has no name.")
    if doc.min_price is msgspec.UNSET:
        raise MalformedResponse("The product has no field minPrice.")
    return Product(
        id=product_id,
        name=name,
        qty=read_count("qty", doc.qty),
        # Older answers lack the flag; then the quantity alone decides.
        available_to_buy=read_flag("availableToBuy", doc.available_to_buy, absent=True),
        min_price=read_price("minPrice", doc.min_price),
        retail_min_price=read_price("retail_min_price", doc.retail_min_price),
        retail_min_base_price=read_price("retailMinBasePrice", doc.retail_min_base_price),
        platform=clean_name(doc.platform, limit=_MAX_WORD),
        region=clean_name(doc.region, limit=_MAX_WORD),
        publisher=clean_name(doc.publisher, limit=_MAX_WORD),
        developer=clean_name(doc.developer, limit=_MAX_WORD),
        categories=_read_categories(doc.categories),
        release_date=_read_date(doc.release_date),
        updated_at=read_moment(doc.updated_at),
        cover_image=next(_read_images([doc.cover_image]), ""),
        images=tuple(_read_images(doc.images))[:_MAX_ENTRIES],
        description=clean_text(doc.description, limit=_MAX_DESCRIPTION),
    )


def _read_categories(entries: object) -> tuple[str, ...]:
    """Return the distinct names. One id may have several names, so ids are ignored."""
    if not isinstance(entries, list) or not entries:
        return ()
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    return tuple(dict.fromkeys(clean_names(names, limit=_MAX_WORD)))[:_MAX_ENTRIES]


def _read_images(addresses: object) -> Iterator[str]:
    """Yield the HTTP URLs; a URL of another scheme could run code in the visitor's browser."""
    for address in clean_texts(addresses, limit=_MAX_URL):
        if address.lower().startswith(("https://", "http://")):
            yield address


def _read_date(value: object) -> datetime | None:
    """Return the day, or None for placeholders such as 9999-12-31."""
    moment = read_moment(value)
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
