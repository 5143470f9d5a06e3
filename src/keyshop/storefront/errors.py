"""Errors of the storefront."""

from keyshop.kit.errors import Invalid, NotFound


class GameNotFound(NotFound):
    """No game has this id or slug."""

    def __init__(self) -> None:
        super().__init__("Game not found")


class BadParameter(Invalid):
    """A parameter of the request has an invalid value."""
