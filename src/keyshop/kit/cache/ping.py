"""Whether Redis answers."""

from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

_SECONDS = 1.0


async def ping_redis(url: str | None) -> Literal["ok", "error", "disconnected"]:
    """Return "ok" when Redis answers, "error" when it does not, "disconnected" without an address."""
    if url is None:
        return "disconnected"
    redis = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        await redis.ping()
    except (RedisError, OSError):
        return "error"
    finally:
        await redis.aclose()
    return "ok"
