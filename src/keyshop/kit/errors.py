"""
The four ways in which the shop says no, sorted by what the caller can do next.

ShopError
├── Invalid       the request makes no sense as it stands; change it
├── NotFound      there is no such thing
├── Conflict      the request is fine, the state of things is not
└── Unavailable   something we depend on is away; the same request may succeed later
"""


class ShopError(Exception):
    """A refusal with a sentence that a customer or an operator can act on."""


class Invalid(ShopError):
    """The request makes no sense as it stands."""


class NotFound(ShopError):
    """There is no such thing."""


class Conflict(ShopError):
    """The state of things does not allow it."""


class Unavailable(ShopError):
    """Something the shop depends on is away; trying again may help."""
