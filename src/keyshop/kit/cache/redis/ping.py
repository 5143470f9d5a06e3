"""The health check of Redis."""

from typing import Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

_TIMEOUT: Final = 1.0  # seconds


async def ping_redis(url: str | None) -> Literal["ok", "error", "disconnected"]:
    """Return "ok" if Redis answers, "error" if it does not, "disconnected" without an address."""
    if url is None:
        return "disconnected"
    redis = Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
    try:
        await redis.ping()
    except (RedisError, OSError):
        return "error"
    finally:
        await redis.aclose()
    return "ok"
