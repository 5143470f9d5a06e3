"""Connecting to Redis: login, suitability, the token, and the scripts."""

import asyncio

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
        await _log_in(connection, address)
        await _shake_hands(connection, shop)
    except BaseException:
        connection.close()
        raise
    return connection


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


async def _log_in(connection: RedisConnection, address: RedisAddress) -> None:
    try:
        if address.password is not None:
            user = (address.user,) if address.user else ()
            await connection.call("AUTH", *user, address.password.reveal())
        if address.database:
            await connection.call("SELECT", address.database)
    except RedisRefused as error:
        raise RedisUnsuitable(f"Redis refuses the login of REDIS_URL: {error}") from error


async def _shake_hands(connection: RedisConnection, shop: str) -> None:
    try:
        check_suitable(parse_info(await connection.call("INFO")))
        # The server announces a change of the token on this connection before its first reply from
        # other data (emptied, or those of a replica that lagged behind).
        await connection.call("HELLO", "3")
        name = token_name(shop)
        await connection.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", name, "NOLOOP")
        info = parse_info(await connection.call("INFO"))
        check_suitable(info)
        token = await connection.call("GET", name)
        for script in SCRIPTS:
            await connection.call("SCRIPT", "LOAD", script.text)
    except RedisRefused as error:
        if str(error).startswith("LOADING"):
            raise RedisFault("Redis is still reading its file.") from error
        raise RedisUnsuitable(f"Redis does not let the shop work: {error}") from error
    connection.identify(
        shop=shop,
        run=f"{info.get('run_id', '')}:{info.get('master_replid', '')}",
        token=parse_token(token),
    )
