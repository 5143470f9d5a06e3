"""Refusals of the vault."""

from keyshop.kit.errors import Conflict, Invalid


class KeysRefused(Conflict):
    """The keys of KEY_ENCRYPTION_KEYS cannot unseal what the database holds."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            f"KEY_ENCRYPTION_KEYS {fault}; set the keys with which the shop's game keys were sealed."
            " Generated ones are in secrets.json of the KEYSHOP_HOME that first used this database."
        )


class BadKeyText(Invalid):
    """A text cannot be a key; the refusal never repeats it."""
