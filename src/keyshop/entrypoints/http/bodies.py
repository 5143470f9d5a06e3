"""What callers send; fields that an endpoint does not know are left alone."""

from typing import Final

from msgspec import Struct


class _Private(Struct):
    """What holds secrets, and prints without them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class SignUp(_Private, rename="camel"):
    """A new account."""

    email: str
    password: str
    nickname: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class Refresh(_Private, rename="camel"):
    """The token that is exchanged for a new pair."""

    refresh_token: str


class ForgottenPassword(Struct):
    """Whose password is forgotten."""

    email: str


class NewPassword(_Private, rename="camel"):
    """The token of a mailed link, and the password it is to set."""

    token: str
    new_password: str


class Proof(_Private):
    """The code of a mail, from somebody who is signed in, or the token of its link."""

    code: str | None = None
    token: str | None = None


class PasswordChange(_Private, rename="camel"):
    """The present password and the one that follows it."""

    current_password: str
    new_password: str


class NewLine(Struct, rename="camel"):
    """A game for the cart, and how many keys of it."""

    game_id: str = ""
    quantity: int = 1


class Quantity(Struct):
    """How many keys the line is to have; none or fewer removes it."""

    quantity: int


class NewWish(Struct, rename="camel"):
    """A game for the wishlist."""

    game_id: str = ""


NO_GAME: Final = "Game ID is required"
NO_QUANTITY: Final = "Quantity must be a whole number"
