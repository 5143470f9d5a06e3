"""How things are called in Redis; every name but a value's carries its shop."""

from functools import lru_cache


def token_name(shop: str) -> str:
    """Return the name of the token that says whose data this server holds."""
    return f"cl:{shop}:token"


@lru_cache(maxsize=256)
def generation_name(shop: str, group: str) -> str:
    """Return the name of a group's generation."""
    return f"gen:{shop}:{group}"


def lease_name(shop: str, key: str) -> str:
    """Return the name of the lease of whoever is filling the key."""
    return f"cl:{shop}:{key}"


def markers_name(shop: str, key_or_group: str) -> str:
    """Return the name of the markers of those who are changing the key, or a group's."""
    return f"cw:{shop}:{key_or_group}"
