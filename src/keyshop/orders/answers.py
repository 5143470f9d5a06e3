"""The shapes in which customers see their orders; the names are the storefront's."""

from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType


class GameInOrder(Struct, frozen=True, kw_only=True):
    """The game of an item as it is now."""

    id: str
    title: str
    image: str
    slug: str


class ItemInOrder(Struct, frozen=True, kw_only=True, rename="camel"):
    """One game of an order."""

    id: str
    game_id: str
    game: GameInOrder
    quantity: int
    price: Decimal
    """Of one key, in EUR, before the discount."""

    discount: Decimal
    """On all keys of the item, in EUR."""

    refunded: int
    """How many of the keys were refunded."""


class KeyInOrder(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A key that was delivered."""

    id: str
    game_id: str
    key: str
    """Its text; empty wherever the answer may be stored."""

    activated: bool
    activation_date: str | UnsetType = UNSET
    revoked: bool
    """Whether it was refunded."""

    def __repr__(self) -> str:
        # Logs contain reprs.
        return f"KeyInOrder(id={self.id!r}, ...)"


class OrderAnswer(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An order with its items and keys. Amounts are EUR."""

    id: str
    user_id: str
    status: str
    subtotal: Decimal
    discount: Decimal
    total: Decimal
    refunded: Decimal
    """How much of the total was given back."""

    payment_method: str | UnsetType = UNSET
    payment_status: str | UnsetType = UNSET
    promo_code: str | UnsetType = UNSET
    created_at: str
    completed_at: str | UnsetType = UNSET
    items: list[ItemInOrder]
    keys: list[KeyInOrder]
