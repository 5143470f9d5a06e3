"""INTENT and PUBLISH: what a change does to Redis before and after its COMMIT."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.redis.key_names import generation_name, lease_name, markers_name, token_name
from keyshop.kit.cache.redis.scripts import INTENT, PUBLISH, Script

_BATCH_SIZE: Final = 500  # keys for one script, which blocks all other commands of the server


class Change(Struct, frozen=True):
    """What one transaction invalidates."""

    xid: str
    keys: Sequence[str]
    groups: Sequence[str]


async def send_intent(connection: RedisConnection, change: Change) -> None:
    """
    Delete values, leases and generations, and set markers that stay until `send_publish`.

    Raises:
        RedisFault: some of it may not have happened.
    """
    await _send(connection, INTENT, [change])


async def send_publish(connection: RedisConnection, changes: Sequence[Change]) -> None:
    """
    Delete values, leases and generations once more, and the markers of these transactions.

    Raises:
        RedisFault: some of it may not have happened.
    """
    await _send(connection, PUBLISH, changes)


async def _send(connection: RedisConnection, script: Script, changes: Sequence[Change]) -> None:
    calls = [
        (script, [token_name(connection.shop), *names], (connection.token, change.xid, key_count))
        for change in changes
        for names, key_count in _split_into_batches(connection.shop, change)
    ]
    if any(reply != 1 for reply in await connection.run_scripts(calls)):
        # The server was emptied, or is another one: its markers are gone.
        connection.close()
        raise RedisFault("The server has lost the shop's token.")


def _split_into_batches(shop: str, change: Change) -> Iterator[tuple[list[str], int]]:
    """Yield the names for one call each, and the number of keys among them."""
    groups = [
        name
        for group in change.groups
        for name in (generation_name(shop, group), markers_name(shop, group))
    ]
    for start in range(0, max(len(change.keys), 1), _BATCH_SIZE):
        keys = change.keys[start : start + _BATCH_SIZE]
        names = [
            name for key in keys for name in (key, lease_name(shop, key), markers_name(shop, key))
        ]
        yield names + (groups if start == 0 else []), len(keys)
