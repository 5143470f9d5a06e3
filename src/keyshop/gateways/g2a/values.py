"""Reading one value of theirs: a number, a text, a moment; what cannot be meant is refused."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from keyshop.gateways.g2a.wire import Unreadable

_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)

_HIGHEST_PRICE: Final = Decimal("99999999.99")  # what DECIMAL(10, 2) holds
_LOWEST_PRICE: Final = Decimal("0.005")  # anything less would be rounded to a price of 0
_FINEST: Final = -20  # decimal places, as an exponent
_HIGHEST_QTY: Final = 2**31 - 1  # what INTEGER holds

_YES_OR_NO: Final = {"true": True, "1": True, "false": False, "0": False}


def read_price(field: str, value: object) -> Decimal | None:
    """
    Return the price exactly as it was written; nothing, an empty text and 0 are no price.

    Raises:
        Unreadable: it cannot be a price.
    """
    amount = read_number(field, value)
    if amount is None or amount == 0:
        return None
    if amount < 0:
        raise Unreadable(f"{field} is negative: {show(value)}.")
    if amount > _HIGHEST_PRICE:
        raise Unreadable(f"{field} is higher than any price can be: {show(value)}.")
    exponent = amount.as_tuple().exponent
    if amount < _LOWEST_PRICE or (isinstance(exponent, int) and exponent < _FINEST):
        raise Unreadable(f"{field} is a fraction of a cent: {show(value)}.")
    return amount


def read_number(field: str, value: object) -> Decimal | None:
    """
    Return the number, or None where the answer gave none.

    Raises:
        Unreadable: it is no number.
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
    raise Unreadable(f"{field} is not a number: {show(value)}.")


def read_count(field: str, value: object) -> int:
    """
    Return a whole number from 0 up.

    Raises:
        Unreadable: it is none, or more than the shop can store.
    """
    count = _whole(value)
    if count is None:
        raise Unreadable(f"{field} is not a whole number: {show(value)}.")
    if count < 0:
        raise Unreadable(f"{field} is negative: {show(value)}.")
    if count > _HIGHEST_QTY:
        raise Unreadable(f"{field} is more than the shop can store: {show(value)}.")
    return count


def find_digits(value: object) -> str | None:
    """Return an id, which is made of digits alone, or None where this is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    return text if _DIGITS.fullmatch(text) else None


def read_flag(field: str, value: object, *, absent: bool) -> bool:
    """
    Return the yes or no; `absent` stands for an answer that says neither.

    Raises:
        Unreadable: it is neither yes nor no.
    """
    if isinstance(value, bool):
        return value
    if value is None or value == "":
        return absent
    answer = _YES_OR_NO.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if answer is None:
        raise Unreadable(f"{field} is neither true nor false: {show(value)}.")
    return answer


def clean_text(value: object, *, limit: int) -> str:
    """Return the text trimmed, bounded and fit for PostgreSQL; what is no text is empty."""
    if not isinstance(value, str):
        return ""
    if not value.isascii():
        # Half an emoji (a surrogate without its partner) cannot be written as UTF-8.
        value = value.encode("utf-8", "replace").decode()
    if "\0" in value:
        value = value.replace("\0", "")
    return value[:limit].strip() if len(value) > limit else value.strip()


def clean_texts(values: object, *, limit: int) -> Iterator[str]:
    """Yield the texts of a list that are not empty."""
    if isinstance(values, list):
        for value in values:
            if text := clean_text(value, limit=limit):
                yield text


def read_moment(value: object) -> datetime | None:
    """Return the time, read as UTC where it names no zone; None where it is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def show(value: object) -> str:
    """Return the value as a person may read it in a report: short, and on one line."""
    if isinstance(value, dict | list):
        return "a JSON object" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _whole(value: object) -> int | None:
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    return None
