"""Whether Redis answers."""

from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

_SECONDS = 1.0


async def ping_redis(url: str | None) -> Literal["ok", "error", "disconnected"]:
    """Return "ok" when Redis answers, "error" when it refuses, "disconnected" when it is away."""
    if url is None:
        return "disconnected"
    redis = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        await redis.ping()
    except (RedisConnectionError, RedisTimeoutError, OSError):
        return "disconnected"
    except RedisError:
        return "error"
    finally:
        await redis.aclose()
    return "ok"
