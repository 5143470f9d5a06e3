"""The address of Redis, with its login."""

import ssl
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from redis.asyncio.connection import parse_url

from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret

_DEFAULT_PORT: Final = 6379
_EXPECTED_FORM: Final = "REDIS_URL: must look like redis://:password@host:6379/0."
_ENCODE: Final = (
    "REDIS_URL: holds a character that needs percent-encoding, such as # (%23), / (%2F), ? (%3F)"
    " or @ (%40) in the password."
)


class RedisAddress(Struct, frozen=True, kw_only=True):
    """The parts of a `redis://`, `rediss://` or `unix://` address."""

    host: str = "localhost"
    port: int = _DEFAULT_PORT
    path: str | None = None
    """A unix socket, instead of host and port."""

    user: str | None = None
    password: Secret | None = None
    database: int = 0
    tls: bool = False
    verifies_server: bool = True
    ca_file: str | None = None
    """A file of certificates to trust besides the system's own."""

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS settings; None for plain text."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verifies_server:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def parse_address(url: str) -> RedisAddress:
    """
    Parse a REDIS_URL.

    Raises:
        Invalid: it is not the address of a Redis server; the message never repeats it.
    """
    _refuse_unreadable(url)
    try:
        parts = parse_url(url)
    except ValueError as error:
        raise Invalid(_EXPECTED_FORM) from error
    password = parts.get("password")
    ca_file = parts.get("ssl_ca_certs")
    return RedisAddress(
        host=parts.get("host", "localhost"),
        port=parts.get("port", _DEFAULT_PORT),
        path=parts.get("path"),
        user=parts.get("username"),
        password=Secret(password) if password else None,
        database=parts.get("db", 0),
        tls=url.startswith("rediss:"),
        verifies_server=parts.get("ssl_cert_reqs") != "none",
        ca_file=None if ca_file is None else str(ca_file),
    )


def _refuse_unreadable(url: str) -> None:
    """Refuse what the parser would take for another server, login or database."""
    if "#" in url:
        raise Invalid(_ENCODE)
    try:
        parts = urlsplit(url)
    except ValueError:
        # The original error quotes the address, and with it the password.
        raise Invalid(_EXPECTED_FORM) from None
    if parts.scheme == "unix":
        return
    if parts.netloc.count("@") > 1 or "@" in parts.path + parts.query:
        raise Invalid(_ENCODE)
    database = parts.path.removeprefix("/")
    if database and not (database.isascii() and database.isdigit()):
        raise Invalid("REDIS_URL: the database after the last / must be a number, such as /0.")
