"""The form of a refusal; the form of a success is the storefront's."""

from typing import Final, Literal

from msgspec import Struct, json


class ErrorText(Struct, frozen=True):
    """What went wrong, in a sentence for the person who asked."""

    message: str


class Failure(Struct, frozen=True, kw_only=True):
    """What every refusal looks like."""

    success: Literal[False] = False
    error: ErrorText


_ENCODER: Final = json.Encoder()


def failure(message: str) -> bytes:
    """Return the body of a refusal."""
    return _ENCODER.encode(Failure(error=ErrorText(message)))
