"""Carts and wishlists; names and order of the fields in answers are the frontend's."""

from decimal import Decimal
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType


class Visitor(Struct, frozen=True, kw_only=True):
    """The sender of a request: a signed-in customer, or a guest with or without a cookie."""

    user_id: str | None = None
    """From a token that was checked; the cookie is then ignored."""

    session_id: str | None = None
    """The cookie's value, unchecked; it can name a guest's session and never a user."""

    client: str | None = None
    """The key of a guest's client, whose new sessions are limited; None: they are not."""


class Owner(Struct, frozen=True, kw_only=True):
    """The owner of a basket: a user, or a session that exists and has not expired."""

    id: str
    is_guest: bool


class Part(StrEnum):
    """The two baskets of a visitor."""

    CART = "cart"
    WISHLIST = "wishlist"


class BasketGame(Struct, frozen=True, kw_only=True, rename="camel"):
    """A game in a cart or on a wishlist, with its current price."""

    id: str
    title: str
    slug: str
    image: str
    price: Decimal
    in_stock: bool
    original_price: Decimal | UnsetType = UNSET
    """Absent when there is none."""

    currency: str
    platforms: list[str]
    """Their names, sorted."""


class CartLine(Struct, frozen=True, rename="camel"):
    game_id: str
    quantity: int
    game: BasketGame


class Cart(Struct, frozen=True):
    items: list[CartLine]
    """The line added last comes first."""

    total: Decimal
    """Of all items, including those that are out of stock."""


class Wish(BasketGame, frozen=True, kw_only=True, rename="camel"):
    """A game on a wishlist: the profile page reads the flat fields, the other pages read `game`."""

    game_id: str
    game: BasketGame
    added_at: str


class MigrationOutcome(StrEnum):
    """What became of a guest's line."""

    MERGED = "merged"  # it is the user's now, or was before
    CAPPED = "capped"  # it is the user's now, at the maximum of keys of one game
    KEPT = "kept"  # it stays with the guest


class MigratedLine(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    game_id: str
    title: str
    quantity: int
    """In the user's line now; of a kept line, in the guest's."""

    outcome: MigrationOutcome
    reason: str | None = None
    """A sentence for the customer; absent when there is nothing to explain."""


class MigrationCounts(Struct, frozen=True, kw_only=True):
    merged: int = 0
    capped: int = 0
    kept: int = 0


class MigrationReport(Struct, frozen=True, kw_only=True):
    """The part of a migration that goes into the answer."""

    cart: list[MigratedLine] = []
    wishlist: list[MigratedLine] = []
    counts: MigrationCounts = MigrationCounts()


class Migration(Struct, frozen=True, kw_only=True):
    """A guest's baskets have become a user's."""

    report: MigrationReport
    remaining_session_id: str | None
    """
    The session of the lines that stay with the guest, for the cookie; None: no line stays, and the
    cookie can go. It must not stand in an answer's body, where scripts could read it.
    """
