"""INTENT and PUBLISH: what a change does to Redis before and after it is committed."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from keyshop.kit.cache.connection import RedisConnection, RedisFault
from keyshop.kit.cache.names import generation_name, lease_name, markers_name, token_name
from keyshop.kit.cache.scripts import INTENT, PUBLISH, Script

_AT_ONCE: Final = 500  # keys for one script, which nobody else's may interrupt


class Change(Struct, frozen=True):
    """What one transaction invalidates."""

    xid: str
    keys: Sequence[str]
    groups: Sequence[str]


async def send_intent(connection: RedisConnection, change: Change) -> None:
    """
    Drop values, leases and generations, and mark the keys until `send_publish`.

    Raises:
        RedisFault: not all of it is known to have happened.
    """
    await _send(connection, INTENT, [change])


async def send_publish(connection: RedisConnection, changes: Sequence[Change]) -> None:
    """
    Drop values, leases and generations once more, and the marks of these transactions.

    Raises:
        RedisFault: not all of it is known to have happened.
    """
    await _send(connection, PUBLISH, changes)


async def _send(connection: RedisConnection, script: Script, changes: Sequence[Change]) -> None:
    calls = [
        (script, [token_name(connection.shop), *names], (connection.token, change.xid, keys))
        for change in changes
        for names, keys in _in_parts(connection.shop, change)
    ]
    if any(reply != 1 for reply in await connection.run_scripts(calls)):
        # Emptied, or another server: what was marked there is gone.
        connection.close()
        raise RedisFault("The server has lost the shop's token.")


def _in_parts(shop: str, change: Change) -> Iterator[tuple[list[str], int]]:
    """Yield the names for one call each, and how many keys they stand for."""
    groups = [
        name
        for group in change.groups
        for name in (generation_name(shop, group), markers_name(shop, group))
    ]
    for start in range(0, max(len(change.keys), 1), _AT_ONCE):
        keys = change.keys[start : start + _AT_ONCE]
        names = [
            name for key in keys for name in (key, lease_name(shop, key), markers_name(shop, key))
        ]
        yield names + (groups if start == 0 else []), len(keys)
