"""
G2A's shapes, as they arrive.

Fields that differ between answers (a price is an int, a float or a text, at random) are objects
here; `translation` decides what they mean. Numbers with a fraction arrive as Decimal, digit for
digit, never by way of a float.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Struct, field

_Wire = TypeVar("_Wire", bound=Struct)

# What the decoders raise for bytes that are not the JSON they look for; a number such as
# 1e-99999999999999999999 is beyond Decimal, 5,000 open brackets are beyond the stack.
_UNREADABLE: Final = (ValueError, RecursionError, ArithmeticError)


class Unreadable(Exception):
    """An answer does not have the shape that it should have; the sentence says what is wrong."""


class ProductWire(Struct):
    """One entry of the list; every field may be absent, null or of another type."""

    id: object = None
    name: object = None
    qty: object = None
    min_price: object = field(name="minPrice", default=UNSET)
    retail_min_price: object = None
    retail_min_base_price: object = field(name="retailMinBasePrice", default=None)
    available_to_buy: object = field(name="availableToBuy", default=None)
    cover_image: object = field(name="coverImage", default=None)
    images: object = None
    updated_at: object = None
    release_date: object = None
    region: object = None
    developer: object = None
    publisher: object = None
    platform: object = None
    categories: object = None
    description: object = None


class PageWire(Struct):
    """The envelope of the list; an entry that is no JSON object is None."""

    docs: list[ProductWire | None]
    total: object = None
    page: object = None


class OrderWire(Struct):
    """The answer to an order."""

    order_id: object = None
    price: object = None
    currency: object = None


class PaymentWire(Struct):
    """The answer to a payment."""

    status: object = None
    transaction_id: object = None


class DetailsWire(Struct):
    """The answer to a question about an order."""

    status: object = None
    price: object = None
    currency: object = None


class KeyWire(Struct):
    """The answer that carries the key."""

    key: object = None
    is_file: object = field(name="isFile", default=None)


class ErrorWire(Struct):
    """The body of a refusal."""

    code: object = None
    message: object = None


class _LoosePage(Struct):
    docs: list[object]
    total: object = None
    page: object = None


_PAGE: Final = msgspec.json.Decoder(PageWire, float_hook=Decimal)


def decode_page(body: bytes) -> PageWire:
    """
    Read a page of the list, fast when all of it is sound.

    Raises:
        Unreadable: the body is no JSON, or no page.
    """
    try:
        return _PAGE.decode(body)
    except _UNREADABLE:
        # One bad entry must not cost its nineteen neighbours.
        return _decode_loose_page(body)


def decode(kind: type[_Wire], body: bytes) -> _Wire:
    """
    Read a JSON object of the kind.

    Raises:
        Unreadable: the body is no JSON object.
    """
    try:
        return msgspec.convert(_parse_leniently(body), kind)
    except msgspec.ValidationError as error:
        raise Unreadable("The answer is not a JSON object.") from error


def _decode_loose_page(body: bytes) -> PageWire:
    try:
        page = msgspec.convert(_parse_leniently(body), _LoosePage)
    except msgspec.ValidationError as error:
        raise Unreadable("The answer is not a page of products.") from error
    docs = [
        msgspec.convert(doc, ProductWire) if isinstance(doc, dict) else None for doc in page.docs
    ]
    return PageWire(docs=docs, total=page.total, page=page.page)


def _parse_leniently(body: bytes) -> object:
    """Parse JSON as far as it has any meaning: broken UTF-8, half an emoji, NaN, huge numbers."""
    try:
        value: object = json.loads(
            body.decode("utf-8", "replace"),
            parse_float=_read_number,
            parse_int=_read_number,
            parse_constant=str,
        )
    except _UNREADABLE as error:
        raise Unreadable("The answer is not JSON.") from error
    return value


def _read_number(text: str) -> object:
    if len(text) < 20 and text.lstrip("-").isdigit():
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
