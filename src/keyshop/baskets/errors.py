"""Refusals of carts and wishlists; a game that does not exist is the storefront's."""

from keyshop.kit.errors import Invalid, NotFound, Unauthenticated


class BadQuantity(Invalid):
    """A cart cannot hold that many keys of a game."""


class GameOutOfStock(Invalid):
    def __init__(self) -> None:
        super().__init__("Game is out of stock")


class BasketFull(Invalid):
    """The cart or the wishlist already holds the maximum of games."""


class NotInCart(NotFound):
    """The cart has no line of this game."""

    def __init__(self) -> None:
        super().__init__("This game is not found in the cart.")


class AccountGone(Unauthenticated):
    """The account was deleted or erased after the token was checked."""

    def __init__(self) -> None:
        super().__init__("This account no longer exists. Please sign in with another one.")
