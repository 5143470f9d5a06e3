"""
The shapes of G2A's answers, before they are validated.

A field whose type differs between answers is an object here: a price may be an int, a float or a
text. `values` decodes it. Numbers with a fraction become Decimal digit for digit, never float.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Struct, field

_Wire = TypeVar("_Wire", bound=Struct)

# Raised for bytes that are not the expected JSON. The number 1e-99999999999999999999 is beyond
# Decimal, and 5,000 open brackets are beyond the stack.
_DECODE_ERRORS: Final = (ValueError, RecursionError, ArithmeticError)


class MalformedResponse(Exception):
    """An answer does not have the expected shape; the message says what is wrong."""


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
    """A page of the list; an entry that is not a JSON object is None."""

    docs: list[ProductWire | None]
    total: object = None
    page: object = None


class OrderWire(Struct):
    order_id: object = None
    price: object = None
    currency: object = None


class PaymentWire(Struct):
    status: object = None
    transaction_id: object = None


class DetailsWire(Struct):
    status: object = None
    price: object = None
    currency: object = None


class KeyWire(Struct):
    key: object = None
    is_file: object = field(name="isFile", default=None)


class ErrorWire(Struct):
    """The body of an error."""

    code: object = None
    message: object = None


class _LoosePage(Struct):
    docs: list[object]
    total: object = None
    page: object = None


_PAGE: Final = msgspec.json.Decoder(PageWire, float_hook=Decimal)


def decode_page(body: bytes) -> PageWire:
    """
    Decode a page of the list; the fast path needs every entry to be valid.

    Raises:
        MalformedResponse: the body is not JSON, or not a page.
    """
    try:
        return _PAGE.decode(body)
    except _DECODE_ERRORS:
        # One bad entry must not cost the nineteen others.
        return _decode_loose_page(body)


def decode(kind: type[_Wire], body: bytes) -> _Wire:
    """
    Decode a JSON object of this type.

    Raises:
        MalformedResponse: the body is not a JSON object.
    """
    try:
        return msgspec.convert(_parse_leniently(body), kind)
    except msgspec.ValidationError as error:
        raise MalformedResponse("The answer is not a JSON object.") from error


def _decode_loose_page(body: bytes) -> PageWire:
    try:
        page = msgspec.convert(_parse_leniently(body), _LoosePage)
    except msgspec.ValidationError as error:
        raise MalformedResponse("The answer is not a page of products.") from error
    docs = [
        msgspec.convert(doc, ProductWire) if isinstance(doc, dict) else None for doc in page.docs
    ]
    return PageWire(docs=docs, total=page.total, page=page.page)


def _parse_leniently(body: bytes) -> object:
    """Parse JSON that may have broken UTF-8, lone surrogates, NaN or huge numbers."""
    try:
        value: object = json.loads(
            body.decode("utf-8", "replace"),
            parse_float=_read_number,
            parse_int=_read_number,
            parse_constant=str,
        )
    except _DECODE_ERRORS as error:
        raise MalformedResponse("The answer is not JSON.") from error
    return value


def _read_number(text: str) -> object:
    if len(text) < 20 and text.lstrip("-").isdigit():
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
