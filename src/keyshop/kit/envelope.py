"""The body of a successful read, as bytes that are sent and cached."""

from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from msgspec import Struct, json

_Data = TypeVar("_Data")

# Decimals are JSON numbers, with as many decimal places as they are stored with.
_ENCODER: Final = json.Encoder(decimal_format="number")


class Envelope(Struct, Generic[_Data], frozen=True, kw_only=True):
    """The body of every successful read."""

    success: Literal[True] = True
    data: _Data


def encode_data(data: _Data) -> bytes:
    """Return the data in its envelope, encoded."""
    return _ENCODER.encode(Envelope(data=data))


EMPTY_LIST: Final = encode_data(())
"""The encoded envelope of an empty list."""


def format_utc(moment: datetime) -> str:
    """Return a UTC time with three digits of a second and a `Z`, as JavaScript formats it."""
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
