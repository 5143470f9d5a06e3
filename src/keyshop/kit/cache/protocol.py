"""What features see of the cache."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from msgspec import Struct

from keyshop.kit.cache.families import CacheKey


class Loaded(Struct, frozen=True):
    """What a loader found in PostgreSQL."""

    payload: bytes | None
    """The whole answer; None: there is none, which is remembered for a short while."""

    true_until: datetime | None = None
    """When time alone makes the answer wrong; None: never."""


Load: TypeAlias = Callable[[], Awaitable[Loaded]]


class Cache(Protocol):
    """Answers that are kept as long as nothing they were made from has changed."""

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        """
        Return the answer of this key, kept or loaded; None when there is none.

        `load` reads PostgreSQL and nothing else. Without a key it is always called. No condition
        of Redis fails a read.

        Raises:
            RuntimeError: a transaction is open, whose own changes a kept answer would not show.
        """
        ...
