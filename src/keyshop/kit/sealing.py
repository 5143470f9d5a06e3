"""
Sealed texts: unreadable without a key that the database does not hold.

A text is sealed with AES-256-GCM for a context, such as the id of the row that holds it: moved to
another row it cannot be unsealed. Nothing of a text or a key appears in an error or a repr.
"""

import hmac
import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from typing import Final, Self, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from keyshop.kit.errors import Conflict, Invalid
from keyshop.kit.secrets import Secret

KEY_LENGTH: Final = 32  # bytes

_NONCE_LENGTH: Final = 12  # bytes; random, safe for 2**32 texts of one key
_MAX_VERSION: Final = 2**31 - 1  # of PostgreSQL's INTEGER
_is_version: Final = re.compile("[0-9]{1,10}").fullmatch


class BadKeyRing(Invalid):
    """The list of keys is empty or wrong; it is that of the variable KEY_ENCRYPTION_KEYS."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"KEY_ENCRYPTION_KEYS: {fault}")


class UnknownVersion(Conflict):
    """The text was sealed with a key that is missing."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"KEY_ENCRYPTION_KEYS has no key of version {version}, with which this was sealed."
        )


class SealBroken(Conflict):
    """The sealed text was changed, is of another context, or was sealed with another key."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"This cannot be unsealed with the key of version {version} in KEY_ENCRYPTION_KEYS:"
            " the key is another one, or the sealed text was changed or moved."
        )


class Sealed(Struct, frozen=True):
    """A sealed text, and the version of the key that unseals it."""

    version: int
    ciphertext: bytes
    """The nonce, the encrypted text and the tag."""


@final
class KeyRing:
    """The keys that unseal; the current one seals. Its repr shows only their versions."""

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        """
        Hold the keys, by version.

        Raises:
            BadKeyRing: a key has a wrong length, a version is impossible, or the current is missing.
        """
        if current not in keys:
            raise BadKeyRing("the current key is missing")
        if any(len(key) != KEY_LENGTH for key in keys.values()):
            raise BadKeyRing(f"each key must have {KEY_LENGTH} bytes")
        if not all(1 <= version <= _MAX_VERSION for version in keys):
            raise BadKeyRing(f"versions must be from 1 to {_MAX_VERSION}")
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self.current = current

    @classmethod
    def parse(cls, keys: Sequence[str]) -> Self:
        """
        Read keys in the form `version:base64`; the first is the current one.

        Raises:
            BadKeyRing: there is no key, one is malformed, or a version stands there twice.
        """
        pairs = [_parse_key(text) for text in keys]
        if not pairs:
            raise BadKeyRing("must have at least one key")
        if len({version for version, _ in pairs}) < len(pairs):
            raise BadKeyRing("must have each version once")
        return cls(dict(pairs), current=pairs[0][0])

    @property
    def versions(self) -> frozenset[int]:
        """The versions whose texts can be unsealed."""
        return frozenset(self._ciphers)

    def seal(self, text: bytes, *, context: bytes) -> Sealed:
        """Seal with the current key; the same text is sealed differently each time."""
        nonce = os.urandom(_NONCE_LENGTH)
        return Sealed(
            self.current, nonce + self._ciphers[self.current].encrypt(nonce, text, context)
        )

    def unseal(self, sealed: Sealed, *, context: bytes) -> bytes:
        """
        Return the text.

        Raises:
            UnknownVersion: its key is missing.
            SealBroken: the key, the context or the sealed text is not that of sealing.
        """
        cipher = self._ciphers.get(sealed.version)
        if cipher is None:
            raise UnknownVersion(sealed.version)
        nonce = sealed.ciphertext[:_NONCE_LENGTH]
        if len(nonce) < _NONCE_LENGTH:
            raise SealBroken(sealed.version)
        try:
            return cipher.decrypt(nonce, sealed.ciphertext[_NONCE_LENGTH:], context)
        except InvalidTag:
            raise SealBroken(sealed.version) from None

    def __repr__(self) -> str:
        return f"KeyRing(versions={sorted(self._ciphers)}, current={self.current})"


def fingerprint(key: Secret, text: str) -> bytes:
    """Return what finds an equal text and tells nothing of it to a reader without the key."""
    return hmac.digest(key.reveal().encode(), text.encode(), "sha256")


def _parse_key(text: str) -> tuple[int, bytes]:
    version, _, encoded = text.partition(":")
    try:
        key = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        key = b""
    if not _is_version(version) or len(key) != KEY_LENGTH:
        raise BadKeyRing(f"must be version:base64 pairs with keys of {KEY_LENGTH} bytes")
    return int(version), key
