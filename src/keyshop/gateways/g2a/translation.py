"""From their shapes to ours, product by product: a bad entry is rejected, its neighbours stay."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from keyshop.gateways.g2a.values import (
    clean_text,
    clean_texts,
    find_digits,
    read_count,
    read_flag,
    read_moment,
    read_number,
    read_price,
    show,
)
from keyshop.gateways.g2a.wire import (
    DetailsWire,
    KeyWire,
    OrderWire,
    PageWire,
    PaymentWire,
    ProductWire,
    Unreadable,
    decode,
    decode_page,
)
from keyshop.kit.secrets import Secret
from keyshop.supplier.models import (
    DeliveredKey,
    OrderDetails,
    Payment,
    PlacedOrder,
    Product,
    ProductPage,
    RejectedProduct,
)

# Lengths in characters, far above anything sensible; without a bound one answer fills the disk.
_NAME: Final = 500
_WORD: Final = 200
_ADDRESS: Final = 2_000
_DESCRIPTION: Final = 100_000
_FIRST_YEAR: Final = 1950
_LAST_YEAR: Final = 2100
_ENTRIES: Final = 50  # images or categories of one product

_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def read_page(body: bytes, *, number: int) -> ProductPage:
    """
    Return the page with its entries sorted into usable and rejected.

    Raises:
        Unreadable: the envelope is broken, or it is another page than the one asked for.
    """
    page = decode_page(body)
    total = _read_total(page)
    if page.page is not None and read_count("page", page.page) != number:
        raise Unreadable(f"Page {number} was asked for, page {show(page.page)} was sent.")
    products: list[Product] = []
    rejected: list[RejectedProduct] = []
    for doc in page.docs:
        try:
            products.append(_read_product(doc))
        except Unreadable as reason:
            found = find_digits(doc.id) if doc is not None else None
            rejected.append(RejectedProduct(id=found, reason=str(reason)))
    return ProductPage(
        number=number, total=total, products=tuple(products), rejected=tuple(rejected)
    )


def read_product(body: bytes, *, product_id: str) -> Product | None:
    """
    Return the one product that was asked for, or None when the list has none with its id.

    Raises:
        Unreadable: another product was sent, or this one cannot be believed.
    """
    page = read_page(body, number=1)
    for product in page.products:
        if product.id == product_id:
            return product
    for entry in page.rejected:
        raise Unreadable(entry.reason)
    if page.products or page.total:
        raise Unreadable(f"Product {product_id} was asked for, another one was sent.")
    return None


def read_placed_order(body: bytes) -> PlacedOrder:
    """
    Return the accepted order.

    Raises:
        Unreadable: it has no usable id or price.
    """
    order = decode(OrderWire, body)
    order_id = find_digits(order.order_id)
    price = read_price("price", order.price)
    if order_id is None or price is None:
        raise Unreadable("The answer to the order has no id, or no price.")
    return PlacedOrder(id=order_id, price=price, currency=_read_currency(order.currency))


def read_payment(body: bytes) -> Payment:
    """
    Return the accepted payment.

    Raises:
        Unreadable: it does not say that the payment was accepted, or not under which id.
    """
    payment = decode(PaymentWire, body)
    transaction_id = clean_text(payment.transaction_id, limit=_WORD)
    if not read_flag("status", payment.status, absent=False) or not transaction_id:
        raise Unreadable("The answer to the payment does not say that it was accepted.")
    return Payment(transaction_id=transaction_id)


def read_details(body: bytes) -> OrderDetails:
    """
    Return what is said of the order.

    Raises:
        Unreadable: its state or its price is missing.
    """
    details = decode(DetailsWire, body)
    status = clean_text(details.status, limit=_WORD)
    price = read_number("price", details.price)
    if not status or price is None:
        raise Unreadable("The order's details have no status, or no price.")
    return OrderDetails(status=status, price=price, currency=_read_currency(details.currency))


def read_key(body: bytes) -> DeliveredKey:
    """
    Return the key exactly as it came: it is handed out once, so nothing of it may be lost.

    Raises:
        Unreadable: there is no key in the answer.
    """
    answer = decode(KeyWire, body)
    if answer.key is None or answer.key == "":
        raise Unreadable("The answer has no key.")
    is_file = answer.is_file is True or str(answer.is_file).lower() in {"true", "1"}
    return DeliveredKey(key=Secret(_as_text(answer.key)), is_file=is_file)


def _read_total(page: PageWire) -> int:
    total = read_count("total", page.total)
    if total < len(page.docs):
        raise Unreadable(f"The page has {len(page.docs)} products of a total of {total}.")
    return total


def _read_product(doc: ProductWire | None) -> Product:
    if doc is None:
        raise Unreadable("The entry is not a JSON object.")
    product_id = find_digits(doc.id)
    if product_id is None:
        raise Unreadable(f"id is not made of digits: {show(doc.id)}.")
    name = clean_text(doc.name, limit=_NAME)
    if not name:
        raise Unreadable("The product has no name.")
    if doc.min_price is msgspec.UNSET:
        raise Unreadable("The product has no field minPrice.")
    return Product(
        id=product_id,
        name=name,
        qty=read_count("qty", doc.qty),
        # The flag is younger than the list itself; without it, the quantity alone decides.
        available_to_buy=read_flag("availableToBuy", doc.available_to_buy, absent=True),
        min_price=read_price("minPrice", doc.min_price),
        retail_min_price=read_price("retail_min_price", doc.retail_min_price),
        retail_min_base_price=read_price("retailMinBasePrice", doc.retail_min_base_price),
        platform=clean_text(doc.platform, limit=_WORD),
        region=clean_text(doc.region, limit=_WORD),
        publisher=clean_text(doc.publisher, limit=_WORD),
        developer=clean_text(doc.developer, limit=_WORD),
        categories=_read_categories(doc.categories),
        release_date=_read_date(doc.release_date),
        updated_at=read_moment(doc.updated_at),
        cover_image=next(_read_images([doc.cover_image]), ""),
        images=tuple(_read_images(doc.images))[:_ENTRIES],
        description=clean_text(doc.description, limit=_DESCRIPTION),
    )


def _read_categories(entries: object) -> tuple[str, ...]:
    """Return the names, each once: the ids repeat with different names and mean nothing."""
    if not isinstance(entries, list) or not entries:
        return ()
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    return tuple(dict.fromkeys(clean_texts(names, limit=_WORD)))[:_ENTRIES]


def _read_images(addresses: object) -> Iterator[str]:
    """Yield the addresses of the web; any other would be run, or read, by the visitor's browser."""
    for address in clean_texts(addresses, limit=_ADDRESS):
        if address.lower().startswith(("https://", "http://")):
            yield address


def _read_date(value: object) -> datetime | None:
    """Return the day, or None for what only stands for one, such as 9999-12-31."""
    moment = read_moment(value)
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _read_currency(value: object) -> str:
    # An order is in EUR unless it says otherwise, and ours never do.
    return clean_text(value, limit=_WORD).upper() or "EUR"


def _as_text(key: object) -> str:
    if isinstance(key, str):
        return key
    return _JSON.encode(key).decode()
