"""Refusals of the vault."""

from keyshop.kit.errors import Conflict, Invalid, NotFound


class KeysRefused(Conflict):
    """The keys of KEY_ENCRYPTION_KEYS cannot unseal what the database holds."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            f"KEY_ENCRYPTION_KEYS {fault}; set the keys with which the shop's game keys were sealed."
            " Generated ones are in secrets.json of the KEYSHOP_HOME that first used this database."
        )


class BadKeyText(Invalid):
    """A text cannot be a key; the refusal never repeats it."""


class KeyNotFound(NotFound):
    """The vault has no key with this id."""

    def __init__(self, vault_key_id: str) -> None:
        super().__init__(f"The vault has no key {vault_key_id}; `keyshop keys list` shows the ids.")


class KeyNotReleased(Conflict):
    """A key may not be sold."""

    def __init__(self, vault_key_id: str, reason: str) -> None:
        super().__init__(f"Key {vault_key_id} cannot be released: {reason}. Nothing was changed.")


class KeyNotRevoked(Conflict):
    """A key cannot be withdrawn from the stock."""

    def __init__(self, vault_key_id: str, reason: str) -> None:
        super().__init__(f"Key {vault_key_id} cannot be revoked: {reason}. Nothing was changed.")
