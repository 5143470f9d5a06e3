"""Writers that leave out one step of the protocol."""

from msgspec.structs import replace

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.invalidate import Change, send_publish
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault


class DeletesAfterCommit(RedisCommitGuard):
    """Sends no INTENT before the COMMIT, and reports success."""

    async def _send_intent(self, connection: RedisConnection, change: Change) -> bool:
        del connection, change
        return True


class DeletesBeforeCommit(RedisCommitGuard):
    """Deletes inside the transaction, and nothing after it."""

    async def _send_intent(self, connection: RedisConnection, change: Change) -> bool:
        return await _delete(connection, change)

    async def _send_publish(self, connection: RedisConnection | None, change: Change) -> bool:
        del connection, change
        return True


class LeavesNoMarker(RedisCommitGuard):
    """Deletes values and leases before and after the COMMIT, but marks nothing in between."""

    async def _send_intent(self, connection: RedisConnection, change: Change) -> bool:
        return await _delete(connection, change)


class ForgetsGuests(RedisCommitGuard):
    """Never invalidates guests' baskets."""

    async def _send_intent(self, connection: RedisConnection, change: Change) -> bool:
        return await super()._send_intent(connection, _without_guests(change))

    async def _send_publish(self, connection: RedisConnection | None, change: Change) -> bool:
        return await super()._send_publish(connection, _without_guests(change))


def _without_guests(change: Change) -> Change:
    return replace(change, keys=[key for key in change.keys if not key.startswith("session:")])


async def _delete(connection: RedisConnection, change: Change) -> bool:
    try:
        await send_publish(connection, [change])
    except RedisFault:
        return False
    return True
