"""Families of keys: pattern, TTL, mode and group."""

import re
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

PART: Final = "[A-Za-z0-9_-]{1,64}"
"""A part of a key: a row's id or the digest of a text. The triggers use the same pattern."""

DIGEST_LENGTH: Final = 32  # hex digits, 128 bits

_is_part: Final = re.compile(PART).fullmatch


class Mode(StrEnum):
    """How long readers may miss an acknowledged write."""

    STRICT = "strict"  # not at all
    BOUNDED = "bounded"  # under a second, when the writer cannot reach Redis


class Family(Struct, frozen=True, kw_only=True):
    """Keys of one pattern, which hold one kind of answer."""

    name: str
    pattern: str
    """The parts of a key are in braces: `user:{user}:cart`."""

    ttl: timedelta
    """The longest time that Redis keeps an answer."""

    mode: Mode = Mode.STRICT
    group: str
    """One invalidation of the group makes all its keys unreadable."""

    def find_key(self, **parts: str) -> "CacheKey | None":
        """
        Return the key of these parts; None if one of them does not match `PART`.

        Other writers may store any text as an id. Such rows are always read from PostgreSQL, and the
        triggers invalidate no key for them.
        """
        for part in parts.values():
            if _is_part(part) is None:
                return None
        return CacheKey(self, self.pattern.format_map(parts))


class CacheKey(Struct, frozen=True, gc=False):
    family: Family
    name: str


def digest(text: str) -> str:
    """
    Return the part of a key for a free text: a slug, a genre's name, a filter.

    In PostgreSQL: `left(encode(sha256(convert_to(text, 'UTF8')), 'hex'), 32)`.
    """
    # A visitor can send half of a surrogate pair. PostgreSQL cannot store it, so no key matches.
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST_LENGTH]
