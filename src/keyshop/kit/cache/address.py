"""Where Redis is, and how to get in."""

import ssl
from typing import Final

from msgspec import Struct
from redis.asyncio.connection import parse_url

from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret

_PORT: Final = 6379


class RedisAddress(Struct, frozen=True, kw_only=True):
    """The parts of a `redis://`, `rediss://` or `unix://` address."""

    host: str = "localhost"
    port: int = _PORT
    path: str | None = None
    """A unix socket, instead of host and port."""

    user: str | None = None
    password: Secret | None = None
    database: int = 0
    tls: bool = False
    verifies: bool = True
    authorities: str | None = None
    """A file of certificates that are believed, besides the system's own."""

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how to talk privately; None in plain text."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.authorities)
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def parse_address(url: str) -> RedisAddress:
    """
    Take the address apart.

    Raises:
        Invalid: it is none.
    """
    try:
        parts = parse_url(url)
    except ValueError as error:
        raise Invalid("REDIS_URL is no address of a Redis server.") from error
    password = parts.get("password")
    authorities = parts.get("ssl_ca_certs")
    return RedisAddress(
        host=parts.get("host", "localhost"),
        port=parts.get("port", _PORT),
        path=parts.get("path"),
        user=parts.get("username"),
        password=Secret(password) if password else None,
        database=parts.get("db", 0),
        tls=url.startswith("rediss:"),
        verifies=parts.get("ssl_cert_reqs") != "none",
        authorities=None if authorities is None else str(authorities),
    )
