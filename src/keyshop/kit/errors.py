"""
The ways in which the shop says no, sorted by what the caller can do next.

ShopError
├── Invalid          the request makes no sense as it stands; change it
├── Unauthenticated  it is not known who asks; sign in
├── Forbidden        it is known, and this is not theirs to do
├── NotFound         there is no such thing
├── Conflict         the request is fine, the state of things is not
├── TooMany          the same, more slowly
└── Unavailable      something we depend on is away; the same request may succeed later
"""

from typing import ClassVar


class ShopError(Exception):
    """A refusal with a sentence that a customer or an operator can act on."""


class Invalid(ShopError):
    """The request makes no sense as it stands."""


class Unauthenticated(ShopError):
    """Nobody has shown who asks."""


class Forbidden(ShopError):
    """Whoever asks may not."""


class NotFound(ShopError):
    """There is no such thing."""


class Conflict(ShopError):
    """The state of things does not allow it."""


class TooMany(ShopError):
    """It was asked more often than is good; `retry_after` says in how many seconds it may be."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ShopError):
    """Something the shop depends on is away; trying again may help."""

    may_be_repeated: ClassVar[bool] = True
    """Whether nothing has been done, so that trying again does nothing twice."""
