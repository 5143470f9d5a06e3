"""What carts and wishlists say no to; a game that does not exist is the storefront's."""

from keyshop.kit.errors import Invalid, NotFound, Unauthenticated


class BadQuantity(Invalid):
    """Nobody can have that many keys of a game in a cart."""


class GameOutOfStock(Invalid):
    """The game cannot be bought at the moment."""

    def __init__(self) -> None:
        super().__init__("Game is out of stock")


class BasketFull(Invalid):
    """The cart or the wishlist holds as many games as it can."""


class NotInCart(NotFound):
    """There is no line of that game whose quantity could be set."""

    def __init__(self) -> None:
        super().__init__("This game is not found in the cart.")


class AccountGone(Unauthenticated):
    """The account was deleted or erased a moment ago."""

    def __init__(self) -> None:
        super().__init__("This account no longer exists. Please sign in with another one.")
