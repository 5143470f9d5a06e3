"""The form of a refusal and of "done"; that of what is read is the storefront's."""

from typing import Final, Literal

from msgspec import Struct, json


class ErrorText(Struct, frozen=True):
    """What went wrong, in a sentence for the person who asked."""

    message: str


class Failure(Struct, frozen=True, kw_only=True):
    """What every refusal looks like."""

    success: Literal[False] = False
    error: ErrorText


class Done(Struct, frozen=True, kw_only=True):
    """What a write answers that has nothing to show."""

    success: Literal[True] = True
    message: str


_ENCODER: Final = json.Encoder()


def failure(message: str) -> bytes:
    """Return the body of a refusal."""
    return _ENCODER.encode(Failure(error=ErrorText(message)))


def done(message: str) -> bytes:
    """Return the body of a write that has nothing to show."""
    return _ENCODER.encode(Done(message=message))
