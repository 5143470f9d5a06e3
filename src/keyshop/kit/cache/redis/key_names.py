"""The names of the protocol's keys in Redis; every name but a value's contains the shop."""

from functools import lru_cache


def token_name(shop: str) -> str:
    """Return the key of the token, which identifies the data of this server."""
    return f"cl:{shop}:token"


@lru_cache(maxsize=256)
def generation_name(shop: str, group: str) -> str:
    return f"gen:{shop}:{group}"


def lease_name(shop: str, key: str) -> str:
    """Return the key of the lease, which the process that fills `key` holds."""
    return f"cl:{shop}:{key}"


def markers_name(shop: str, key_or_group: str) -> str:
    """Return the key of the markers, one for each transaction that is changing the key or group."""
    return f"cw:{shop}:{key_or_group}"
