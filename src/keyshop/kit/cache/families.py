"""Families of keys: what is kept, for how long, and in which group."""

import re
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

PART: Final = "[A-Za-z0-9_-]{1,64}"
"""What stands for a row in a key: its id, or the digest of a text. PostgreSQL reads it alike."""

DIGEST_LENGTH: Final = 32  # hex digits, 128 bits

_is_part: Final = re.compile(PART).fullmatch


class Mode(StrEnum):
    """How long an acknowledged write may be unseen."""

    STRICT = "strict"  # not at all
    BOUNDED = "bounded"  # under a second, when the writer cannot reach Redis


class Family(Struct, frozen=True, kw_only=True):
    """Keys that are made alike and hold the same kind of answer."""

    name: str
    pattern: str
    """What its keys look like, with the parts in braces: `user:{user}:cart`."""

    ttl: timedelta
    """How long an answer is kept at most."""

    mode: Mode = Mode.STRICT
    group: str
    """The keys that can be invalidated with these at once."""

    def find_key(self, **parts: str) -> "CacheKey | None":
        """
        Return the key of these parts; None when one of them can be no part of a key.

        Other writers may store any text as an id. Such rows are read from PostgreSQL every time,
        and what the database invalidates leaves them out likewise.
        """
        for part in parts.values():
            if _is_part(part) is None:
                return None
        return CacheKey(self, self.pattern.format_map(parts))


class CacheKey(Struct, frozen=True, gc=False):
    """One key of a family."""

    family: Family
    name: str


def digest(text: str) -> str:
    """
    Return the part of a key that stands for a free text: a slug, a genre's name, a filter.

    In PostgreSQL: `left(encode(sha256(convert_to(text, 'UTF8')), 'hex'), 32)`.
    """
    # Half of a surrogate pair, which a visitor can send and PostgreSQL cannot hold, is no error.
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST_LENGTH]
