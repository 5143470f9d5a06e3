"""
Decode one value of an answer: a number, a text, a time; an invalid value is an error.

A number is what it is worth, however JSON writes it: 5, 5.0 and 5e0 are one number.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from keyshop.gateways.g2a.wire import MalformedResponse

_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_MAX_DIGITS: Final = 20

_MAX_PRICE: Final = Decimal("99999999.99")  # what DECIMAL(10, 2) holds
_MIN_PRICE: Final = Decimal("0.005")  # anything less would be rounded to a price of 0
_MIN_EXPONENT: Final = -20  # 20 decimal places
_MAX_QTY: Final = 2**31 - 1  # what INTEGER holds

_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

# Characters without a mark of their own that are not in the Unicode category of format characters:
# the grapheme joiner, the Hangul and Khmer fillers, and the selectors of a glyph's variant.
_INVISIBLE: Final = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def read_price(field: str, value: object) -> Decimal | None:
    """
    Return the price exactly as it was written. null, an empty text and 0 are no price.

    Raises:
        MalformedResponse: it is not a valid price.
    """
    amount = read_number(field, value)
    if amount is None or amount == 0:
        return None
    if amount < 0:
        raise MalformedResponse(f"{field} is negative: {format_value(value)}.")
    if amount > _MAX_PRICE:
        raise MalformedResponse(
            f"{field} is higher than the shop can store: {format_value(value)}."
        )
    exponent = amount.as_tuple().exponent
    if amount < _MIN_PRICE or (isinstance(exponent, int) and exponent < _MIN_EXPONENT):
        raise MalformedResponse(f"{field} is a fraction of a cent: {format_value(value)}.")
    return amount


def read_number(field: str, value: object) -> Decimal | None:
    """
    Return the number, or None for null and an empty text.

    Raises:
        MalformedResponse: it is not a number.
    """
    if value is None:
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _NUMBER.fullmatch(text):
            return Decimal(text)
    raise MalformedResponse(f"{field} is not a number: {format_value(value)}.")


def read_count(field: str, value: object) -> int:
    """
    Return a whole number, 0 or more.

    Raises:
        MalformedResponse: it is not a whole number, or more than the shop can store.
    """
    if type(value) is int and 0 <= value <= _MAX_QTY:
        return value
    count = read_number(field, value)
    if count is None or not _is_whole(count):
        raise MalformedResponse(f"{field} is not a whole number: {format_value(value)}.")
    if count < 0:
        raise MalformedResponse(f"{field} is negative: {format_value(value)}.")
    if count > _MAX_QTY:
        raise MalformedResponse(f"{field} is more than the shop can store: {format_value(value)}.")
    return int(count)


def find_digits(value: object) -> str | None:
    """Return the value as an id of digits only, or None when it is not one."""
    if isinstance(value, Decimal) and _is_whole(value) and value.adjusted() < _MAX_DIGITS:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    return text if _DIGITS.fullmatch(text) else None


def read_flag(field: str, value: object, *, absent: bool) -> bool:
    """
    Return the boolean; `absent` is returned for null and an empty text.

    Raises:
        MalformedResponse: it is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    if value is None or value == "":
        return absent
    if isinstance(value, Decimal) and value in {0, 1}:
        return bool(value)
    answer = _FLAGS.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if answer is None:
        raise MalformedResponse(f"{field} is neither true nor false: {format_value(value)}.")
    return answer


def clean_text(value: object, *, limit: int) -> str:
    """Return the text trimmed, cut and safe for PostgreSQL; a value that is no text is empty."""
    if not isinstance(value, str):
        return ""
    if not value.isascii():
        # A lone surrogate, half of an emoji, cannot be encoded as UTF-8.
        value = value.encode("utf-8", "replace").decode()
    if "\0" in value:
        value = value.replace("\0", "")
    return value[:limit].strip() if len(value) > limit else value.strip()


def clean_name(value: object, *, limit: int) -> str:
    """
    Return a name as a person reads it, on one line, in Unicode's composed form (NFC).

    HTML entities are decoded once. Invisible characters are removed: with them, two names that look
    the same would differ, and a name could reverse the direction of the text around it.
    """
    text = clean_text(value, limit=limit)
    if "&" in text:
        text = clean_text(html.unescape(text), limit=limit)
    if not text.isascii():
        visible = (each for each in _INVISIBLE.sub("", text) if unicodedata.category(each) != "Cf")
        text = unicodedata.normalize("NFC", "".join(visible))
    if not text.isprintable():
        text = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(text.split())[:limit].rstrip()


def clean_names(values: object, *, limit: int) -> Iterator[str]:
    """Yield the non-empty names of a list."""
    if isinstance(values, list):
        for value in values:
            if name := clean_name(value, limit=limit):
                yield name


def clean_texts(values: object, *, limit: int) -> Iterator[str]:
    """Yield the non-empty texts of a list."""
    if isinstance(values, list):
        for value in values:
            if text := clean_text(value, limit=limit):
                yield text


def read_moment(value: object) -> datetime | None:
    """Return the time, in UTC when it names no zone, or None when it is not a time."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_value(value: object) -> str:
    """Return the value for an error message: short, and on one line."""
    if isinstance(value, dict | list):
        return "a JSON object" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _is_whole(number: Decimal) -> bool:
    # 1e999999999 as an int would fill the memory.
    return number.is_finite() and number == number.to_integral_value()
