"""What a Redis server reports about itself, and whether the shop can use it."""

from typing import Final

from keyshop.kit.cache.redis.connection import Reply
from keyshop.kit.cache.redis.errors import RedisUnsuitable

_MIN_VERSION: Final = (6, 2)
_SAFE_POLICIES: Final = ("noeviction", "volatile-")  # markers have no TTL, and must stay


def parse_token(reply: Reply) -> str:
    """Return the token from GET's reply; a reply that is no text is no token of ours."""
    return reply.decode(errors="replace") if isinstance(reply, bytes) else ""


def parse_info(reply: Reply) -> dict[str, str]:
    """Return the fields of INFO's reply."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else ""
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def check_suitable(info: dict[str, str]) -> None:
    """
    Check the fields of INFO; managed servers forbid CONFIG.

    Raises:
        RedisUnsuitable: the shop cannot use this server.
    """
    version = info.get("redis_version", "")
    if _parse_version(version) < _MIN_VERSION:
        raise RedisUnsuitable(f"Redis {version or 'of unknown version'} is too old; 6.2 is needed.")
    if info.get("cluster_enabled") == "1":
        raise RedisUnsuitable(
            "Redis runs in cluster mode, where a step on several keys is not atomic;"
            " give the address of one primary."
        )
    if info.get("role") != "master":
        raise RedisUnsuitable("Redis is a replica, which takes no writes; give its primary.")
    policy = info.get("maxmemory_policy", "noeviction")
    if not policy.startswith(_SAFE_POLICIES):
        raise RedisUnsuitable(
            f"Redis throws away keys that must stay (maxmemory-policy {policy});"
            " choose volatile-lru or noeviction."
        )


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
