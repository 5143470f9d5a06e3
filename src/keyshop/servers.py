"""Where the shop's data is: in the servers that the settings name, or in embedded ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.shared_server import SharedServer
from keyshop.embedded.valkey import ValkeyServer
from keyshop.settings import Environment, Settings


class Servers(Struct, frozen=True, kw_only=True):
    """The addresses of PostgreSQL and Redis."""

    database_url: str
    redis_url: str | None
    """None: the shop works without a cache."""


@contextmanager
def open_servers(settings: Settings) -> Iterator[Servers]:
    """
    Run the embedded servers for the length of the block, and give the addresses of all servers.

    Raises:
        EmbeddedServerError: an embedded server cannot be started.
    """
    with database_server(settings) as database_url, cache_server(settings) as redis_url:
        yield Servers(database_url=database_url, redis_url=redis_url)


@contextmanager
def database_server(settings: Settings) -> Iterator[str]:
    """
    Run an embedded PostgreSQL for the length of the block if needed, and give the server's address.

    Raises:
        EmbeddedServerError: the embedded server cannot be started.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    with PostgresServer(settings.keyshop_home) as server:
        yield server.socket_url


@contextmanager
def cache_server(settings: Settings) -> Iterator[str | None]:
    """
    Run an embedded Valkey for the length of the block if needed, and give the address of Redis.

    Without a cache the address is None.

    Raises:
        EmbeddedServerError: the embedded server cannot be started.
    """
    if settings.cache_mode == "off":
        yield None
    elif settings.redis_url is not None or settings.keyshop_env is Environment.PRODUCTION:
        yield settings.redis_url
    else:
        with ValkeyServer(settings.keyshop_home) as server:
            yield server.socket_url


def embedded_servers(settings: Settings) -> list[SharedServer]:
    """Return the embedded servers that these settings need; in production, none."""
    if settings.keyshop_env is Environment.PRODUCTION:
        return []
    servers: list[SharedServer] = []
    if settings.database_url is None:
        servers.append(PostgresServer(settings.keyshop_home))
    if settings.redis_url is None and settings.cache_mode == "on":
        servers.append(ValkeyServer(settings.keyshop_home))
    return servers
