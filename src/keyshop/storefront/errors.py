"""What the storefront says no to."""

from keyshop.kit.errors import Invalid, NotFound


class GameNotFound(NotFound):
    """There is no game of that id or slug."""

    def __init__(self) -> None:
        super().__init__("Game not found")


class BadParameter(Invalid):
    """A parameter of the request has a value that cannot be meant."""
