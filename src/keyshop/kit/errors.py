"""
The kinds of the shop's errors: each says what the caller can do next.

ShopError
├── Invalid          the request is wrong; correct it
├── Unauthenticated  the user is not known; sign in
├── Forbidden        the user is known and lacks the permission
├── NotFound         the thing does not exist
├── Conflict         the request is valid, but conflicts with the current state
├── Mismatch         the request repeats an earlier one with other contents; send a new one
├── TooMany          too many requests; wait, then repeat
└── Unavailable      a dependency does not answer; the same request may succeed later
"""

from typing import ClassVar


class ShopError(Exception):
    """An error whose message tells a customer or an operator what to do."""


class Invalid(ShopError):
    """The request is wrong as it stands."""


class Unauthenticated(ShopError):
    """The user is not known."""


class Forbidden(ShopError):
    """The user lacks the permission."""


class NotFound(ShopError):
    """The thing does not exist."""


class Conflict(ShopError):
    """The request conflicts with the current state."""


class Mismatch(ShopError):
    """The request repeats an earlier one, and its contents differ."""


class TooMany(ShopError):
    """Too many requests; `retry_after` is the number of seconds to wait."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ShopError):
    """A dependency of the shop does not answer."""

    may_be_repeated: ClassVar[bool] = True
    """Whether nothing was done, so that the request can safely be repeated."""
