"""Keys of the vault."""

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
    key: str | None


class LockedKey(Struct, frozen=True, kw_only=True):
    """A key of the vault that no other transaction can change until the one that has read it ends."""

    id: str
    game_id: str
    source: KeySource
    state: KeyState
    unit_id: str | None
    """The unit that has it, or had it until a refund."""
