"""The body of a successful read, as bytes that are sent and cached."""

from datetime import datetime
from hashlib import sha256
from typing import Final, Generic, Literal, TypeVar

from msgspec import Struct, json

_Data = TypeVar("_Data")

# Decimals are JSON numbers, with as many decimal places as they are stored with.
_ENCODER: Final = json.Encoder(decimal_format="number")

_DIGEST_LENGTH: Final = 32  # hex digits, 128 bits
_ETAG_LENGTH: Final = _DIGEST_LENGTH + 2


class Envelope(Struct, Generic[_Data], frozen=True, kw_only=True):
    """The body of every successful read."""

    success: Literal[True] = True
    data: _Data


def encode_data(data: _Data) -> bytes:
    """Return the data in its envelope, encoded."""
    return _ENCODER.encode(Envelope(data=data))


def encode_with_etag(data: _Data) -> bytes:
    """
    Return the data in its envelope, encoded, after the entity tag of these bytes.

    Public answers are cached in this form, so that only making one costs a digest.
    """
    body = encode_data(data)
    return f'"{sha256(body).hexdigest()[:_DIGEST_LENGTH]}"'.encode() + body


def etag_of(answer: bytes) -> bytes:
    """Return the entity tag of a public answer, with its quotes."""
    return answer[:_ETAG_LENGTH]


def body_of(answer: bytes) -> bytes:
    """Return what follows the entity tag of a public answer."""
    return answer[_ETAG_LENGTH:]


EMPTY_LIST: Final = encode_with_etag(())
"""The public answer of an empty list."""


def format_utc(moment: datetime) -> str:
    """Return a UTC time with three digits of a second and a `Z`, as JavaScript formats it."""
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
