"""Keys of the vault."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from keyshop.kit.secrets import Secret


class KeySource(StrEnum):
    """Who bought a key."""

    OWN = "own"  # the shop, for its stock
    SUPPLIER = "supplier"  # from the supplier, for an order


class KeyState(StrEnum):
    """The states of a key in the vault."""

    FREE = "free"  # the only state in which it can be sold
    DELIVERED = "delivered"
    REVOKED = "revoked"  # delivered and refunded, or withdrawn
    HELD = "held"  # an operator decides


class AddOutcome(StrEnum):
    """What became of a text that was to be added."""

    ADDED = "added"
    DUPLICATE = "duplicate"  # the shop has it already
    TOO_LONG = "too long"
    UNKNOWN_GAME = "unknown game"
    UNUSABLE = "unusable"  # no key can be read from it


class AddedKey(Struct, frozen=True):
    outcome: AddOutcome
    vault_key_id: str | None = None
    """Of the new key; None: none was added."""


class KeyVersion(Struct, frozen=True):
    """A version of the keys that seal."""

    version: int
    check: bytes
    """A known text, sealed with the key of this version."""

    is_used: bool
    """Whether something in the vault is sealed with it."""


class NewKey(Struct, frozen=True, kw_only=True):
    """A sealed key that is to be added."""

    id: str
    game_id: str
    text: Secret
    fingerprint: bytes
    ciphertext: bytes


class OrderKey(Struct, frozen=True, kw_only=True):
    """A key that was delivered: sealed, or `key` as another program stored it."""

    id: str
    sealed_game_id: str | None
    version: int | None
    ciphertext: bytes | None
    key: Secret | None


class ForeignKey(Struct, frozen=True, kw_only=True):
    """A row of `game_keys` that is not in the vault."""

    id: str
    game_id: str
    key: Secret
    order_id: str | None
    activated: bool
    created_at: datetime


class AdoptedKey(Struct, frozen=True, kw_only=True):
    """A key that another program stored, sealed; the fields are the columns of the vault."""

    id: str
    game_id: str
    fingerprint: bytes
    ciphertext: bytes
    state: KeyState
    order_id: str | None
    held_reason: str | None
    created_at: datetime


class SealedKey(Struct, frozen=True, kw_only=True):
    """A key of the vault, with what `game_keys` holds of it."""

    id: str
    game_id: str
    sealed_game_id: str
    version: int
    ciphertext: bytes
    key: Secret | None
    """None: another program deleted the row."""


class ResealedKey(Struct, frozen=True, kw_only=True):
    """A key that was sealed anew."""

    old: SealedKey
    ciphertext: bytes
    new_key: Secret | None
    """What `game_keys` is to hold instead of `old.key`; None: that stays."""


class HeldKey(Struct, frozen=True, kw_only=True):
    """A key on which an operator decides, with what `game_keys` says of it."""

    id: str
    game_id: str
    sealed_game_id: str
    version: int
    ciphertext: bytes
    state: KeyState
    duplicate_of: str | None
    order_id: str | None
    has_row: bool
    key: Secret | None
    row_game_id: str | None
    row_order_id: str | None
    activated: bool


class ListedKey(Struct, frozen=True, kw_only=True):
    """A key as operators see it, without its text."""

    id: str
    game_id: str
    title: str | None
    state: KeyState
    source: KeySource
    held_reason: str | None
    duplicate_of: str | None
    order_id: str | None
    created_at: datetime
    changed_at: datetime


class Totals(Struct, frozen=True, kw_only=True):
    """How many keys the shop has."""

    free: int
    delivered: int
    held: int
    revoked: int
    unadopted: int
    """Rows of `game_keys` that are not in the vault."""


class GameStock(Struct, frozen=True, kw_only=True):
    """The own keys of a game."""

    game_id: str
    title: str
    free: int
    delivered: int
    held: int
    is_unsaleable: bool
    """In stock, though neither the supplier nor the vault has a key."""
