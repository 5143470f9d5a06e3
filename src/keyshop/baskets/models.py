"""What carts and wishlists are made of; names and order of the shown fields are the frontend's."""

from decimal import Decimal
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType


class Visitor(Struct, frozen=True, kw_only=True):
    """Whoever asks: a customer who has shown who they are, or a guest with a cookie."""

    user_id: str | None = None
    """Of the account whose token was checked; the cookie counts for nothing then."""

    session_id: str | None = None
    """What the cookie says, whatever that is; it names a guest's session and never a user."""


class Owner(Struct, frozen=True, kw_only=True):
    """Whose basket it is: a user, or a session that exists and has not expired."""

    id: str
    is_guest: bool


class Part(StrEnum):
    """What a visitor has."""

    CART = "cart"
    WISHLIST = "wishlist"


class BasketGame(Struct, frozen=True, kw_only=True, rename="camel"):
    """A game as carts and wishlists show it, with its present price."""

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
    """Their names in the order of the alphabet."""


class CartLine(Struct, frozen=True, rename="camel"):
    """A game in a cart."""

    game_id: str
    quantity: int
    game: BasketGame


class Cart(Struct, frozen=True):
    """A cart, what was added last first."""

    items: list[CartLine]
    total: Decimal
    """Of all lines that are shown, those that went out of stock included."""


class Wish(BasketGame, frozen=True, kw_only=True, rename="camel"):
    """A game on a wishlist: flat for the profile's page, with the game inside for the others."""

    game_id: str
    game: BasketGame
    added_at: str


class MigrationOutcome(StrEnum):
    """What became of a guest's line."""

    MERGED = "merged"  # it is the user's now, or was already
    CAPPED = "capped"  # it is the user's now, with as many keys as a line may have
    KEPT = "kept"  # it stays with the guest


class MigratedLine(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of one line of a guest's."""

    game_id: str
    title: str
    quantity: int
    """How many are in the user's line now; of a kept line, how many stay in the guest's."""

    outcome: MigrationOutcome
    reason: str | None = None
    """A sentence for the customer; absent where there is nothing to explain."""


class MigrationCounts(Struct, frozen=True, kw_only=True):
    """How many lines had which outcome."""

    merged: int = 0
    capped: int = 0
    kept: int = 0


class MigrationReport(Struct, frozen=True, kw_only=True):
    """What the customer is told; it goes into the answer as it is."""

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
