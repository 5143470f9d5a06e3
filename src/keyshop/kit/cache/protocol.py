"""The cache as features see it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from msgspec import Struct

from keyshop.kit.cache.families import CacheKey


class Loaded(Struct, frozen=True):
    """A loader's answer from PostgreSQL."""

    payload: bytes | None
    """The whole answer; None: there is none, which Redis keeps for 30 seconds."""

    valid_until: datetime | None = None
    """The answer is wrong after this time, even if no row changes; None: it stays right."""


Load: TypeAlias = Callable[[], Awaitable[Loaded]]


class Cache(Protocol):
    """Answers that are kept until a row they were made from changes."""

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        """
        Return the answer of this key, from Redis or from `load`; None if there is none.

        `load` reads PostgreSQL and nothing else. Without a key it is always called. No condition
        of Redis fails a read.

        Raises:
            RuntimeError: a transaction is open; the read would miss its changes.
        """
        ...
