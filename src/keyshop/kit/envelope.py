"""Answers as bytes: what a visitor gets and what a cache would keep."""

from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from msgspec import Struct, json

_Data = TypeVar("_Data")

# Money goes out as a number with the two decimals it is stored with.
_ENCODER: Final = json.Encoder(decimal_format="number")


class Envelope(Struct, Generic[_Data], frozen=True, kw_only=True):
    """What every successful read looks like."""

    success: Literal[True] = True
    data: _Data


def answer(data: _Data) -> bytes:
    """Return the whole body of a successful read."""
    return _ENCODER.encode(Envelope(data=data))


NOTHING: Final = answer(())
"""A list without anything in it."""


def iso(moment: datetime) -> str:
    """Return the UTC time with exactly three digits of a second, as JavaScript writes it."""
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
