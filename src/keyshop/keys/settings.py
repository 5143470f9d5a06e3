"""What a shop sets for its vault."""

from enum import StrEnum

from msgspec import Struct

from keyshop.kit.sealing import KeyRing
from keyshop.kit.secrets import Secret


class KeyStorage(StrEnum):
    """What `game_keys.key` holds of a key in the vault."""

    SEALED = "sealed"  # a reference to the vault
    PLAIN = "plain"  # the text, for another application that reads it


class Vault(Struct, frozen=True, kw_only=True):
    """What opens the vault; made once, when a process starts. Its repr shows no key."""

    ring: KeyRing
    fingerprint_key: Secret
    """Of `keyshop.kit.sealing.fingerprint`; the database holds it sealed."""

    storage: KeyStorage = KeyStorage.SEALED
