"""
Connecting to Redis: login, suitability, the token, and the scripts.

Beside the connect itself it takes two round trips, so that a server far away can be used.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from keyshop.kit.cache.redis.address import RedisAddress
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault, RedisRefused, RedisUnsuitable
from keyshop.kit.cache.redis.key_names import token_name
from keyshop.kit.cache.redis.scripts import SCRIPTS
from keyshop.kit.cache.redis.server_info import check_suitable, parse_info, parse_token


async def connect(address: RedisAddress, *, shop: str) -> RedisConnection:
    """
    Connect and shake hands; the caller sets the timeout.

    Raises:
        RedisUnsuitable: the server is a replica, too old, a cluster, or would evict markers.
        RedisFault: it does not answer, or refuses the login.
    """
    connection = await _open(address)
    try:
        with _measured(connection):
            await _enter(connection, address)
        with _measured(connection):
            await _shake_hands(connection, shop)
    except RedisRefused as error:
        connection.close()
        if str(error).startswith("LOADING"):
            raise RedisFault("Redis is still reading its file.") from error
        raise RedisUnsuitable(f"Redis does not let the shop work: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _measured(connection: RedisConnection) -> Iterator[None]:
    """Record the length of the block as one round trip."""
    began = time.monotonic()
    yield
    connection.record_round_trip(time.monotonic() - began)


async def _open(address: RedisAddress) -> RedisConnection:
    loop = asyncio.get_running_loop()
    try:
        tls = address.tls_context()
        if address.path is not None:
            _, connection = await loop.create_unix_connection(RedisConnection, address.path)
        else:
            _, connection = await loop.create_connection(
                RedisConnection, address.host, address.port, ssl=tls
            )
    except (OSError, ValueError) as error:  # ValueError: an impossible host name
        raise RedisFault(f"Redis does not answer ({type(error).__name__}).") from error
    return connection


async def _enter(connection: RedisConnection, address: RedisAddress) -> None:
    """Log in, and refuse a server that the shop cannot use, in one round trip."""
    entered, info = await asyncio.gather(
        _log_in(connection, address), connection.call("INFO"), return_exceptions=True
    )
    # The login first: whatever comes after a refused one is refused as well.
    if isinstance(entered, BaseException):
        raise entered
    if isinstance(info, BaseException):
        raise info
    check_suitable(parse_info(info))


async def _log_in(connection: RedisConnection, address: RedisAddress) -> None:
    commands: list[tuple[str | int, ...]] = []
    if address.password is not None:
        user = (address.user,) if address.user else ()
        commands.append(("AUTH", *user, address.password.reveal()))
    if address.database:
        commands.append(("SELECT", address.database))
    try:
        await connection.call_all(commands)
    except RedisRefused as error:
        raise RedisUnsuitable(f"Redis refuses the login of REDIS_URL: {error}") from error


async def _shake_hands(connection: RedisConnection, shop: str) -> None:
    name = token_name(shop)
    _, _, reply, token, *_ = await connection.call_all(
        [
            # The server announces a change of the token on this connection before its first reply
            # from other data (emptied, or those of a replica that lagged behind).
            ("HELLO", "3"),
            ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", name, "NOLOOP"),
            ("INFO",),
            ("GET", name),
            *(("SCRIPT", "LOAD", script.text) for script in SCRIPTS),
        ]
    )
    info = parse_info(reply)
    check_suitable(info)
    connection.identify(
        shop=shop,
        run=f"{info.get('run_id', '')}:{info.get('master_replid', '')}",
        token=parse_token(token),
    )
