"""
One connection to Redis that any number of tasks use at once.

Commands that are sent in the same turn of the event loop leave together, and replies come in the
order of the commands, so nobody waits for a free connection. What replies late is not waited for:
the connection is closed, and whoever else was waiting reads from PostgreSQL.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final, TypeAlias, cast

import hiredis
from msgspec import Struct

from keyshop.kit.cache.address import RedisAddress
from keyshop.kit.cache.scripts import SCRIPTS, Script

# What Redis answers: texts, numbers, nothing, or lists of them.
Reply: TypeAlias = "bytes | int | list[Reply] | None"
_Argument: TypeAlias = str | bytes | int

_MAX_WAITING: Final = 4096  # commands without a reply
_MAX_UNSENT: Final = 4 * 1024 * 1024  # bytes that the server did not take yet

_MIN_VERSION: Final = (6, 2)
_GOOD_POLICIES: Final = ("noeviction", "volatile-")


class RedisFault(Exception):
    """Redis did not do what was asked, for whatever reason; the cache does without it."""


class RedisUnsuitable(RedisFault):
    """The server answers and cannot be used as it is; the text says what to change."""


class RedisRefused(RedisFault):
    """The server refused one command, and the connection is as good as before."""


class _Sent(Struct):
    """A command whose reply is to come, and when that is late, on the event loop's clock."""

    reply: "asyncio.Future[Reply]"
    due: float


class RedisConnection(asyncio.Protocol):
    """A connection after its handshake; `incarnation` names the data behind it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[_Sent] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = inf
        self._transport: asyncio.WriteTransport | None = None
        self.lost = asyncio.Event()
        self.shop = ""
        self._run = ""
        self.token = ""
        self.incarnation = ""

    def identify(self, *, shop: str, run: str, token: str) -> None:
        """
        Remember which server it is, and which of its lives.

        A restarted server has another run, one that was promoted or restored another history, and
        one that was emptied another token or none.
        """
        self.shop, self._run = shop, run
        self.take_token(token)

    def take_token(self, token: str) -> None:
        """Remember the token that this server has been given."""
        self.token = token
        self.incarnation = f"{self._run}:{token}"

    async def call(self, *command: _Argument, within: float = inf) -> Reply:
        """
        Send a command and wait for its reply; give up, and close, when this task is cancelled.

        Args:
            command: Its words.
            within: Seconds after which the reply is late and the connection is closed, as by a
                timeout of the caller's own, which costs as much as the command itself.

        Raises:
            RedisRefused: the server refused it.
            RedisFault: the connection is lost, maybe because a reply was late.
        """
        reply = self._send(command, within)
        try:
            return await reply
        except asyncio.CancelledError:
            # Its reply is still to come: nobody may take it for an answer to something else.
            self.close()
            raise

    async def run_script(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[_Argument],
        *,
        within: float = inf,
    ) -> Reply:
        """Run a script that the handshake loaded; otherwise as `call`."""
        return await self.call(
            "EVALSHA", script.digest, len(keys), *keys, *arguments, within=within
        )

    async def run_scripts(
        self, calls: Sequence[tuple[Script, Sequence[str], Sequence[_Argument]]]
    ) -> list[Reply]:
        """Run scripts in one round trip, in this order."""
        return await asyncio.gather(
            *(self.run_script(script, keys, arguments) for script, keys, arguments in calls)
        )

    def close(self) -> None:
        """Close at once; whoever waits for a reply is told."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def _send(self, command: Sequence[_Argument], within: float) -> asyncio.Future[Reply]:
        if self._transport is None or self.lost.is_set():
            raise RedisFault("The connection is closed.")
        if (
            len(self._waiting) >= _MAX_WAITING
            or self._transport.get_write_buffer_size() > _MAX_UNSENT
        ):
            self.close()
            raise RedisFault("The server takes no more.")
        future: asyncio.Future[Reply] = self._loop.create_future()
        due = self._loop.time() + within
        self._waiting.append(_Sent(future, due))
        if due < self._looks_at:
            self._look_at(due)
        # The parser's stub takes tuples of one argument only.
        self._transport.write(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]
        return future

    def _look_at(self, due: float) -> None:
        """Look at that time whether a reply is late; one timer serves all commands."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due == inf else self._loop.call_at(due, self._close_if_late)
        self._looks_at = due

    # What the event loop calls.

    def _close_if_late(self) -> None:
        due = min((sent.due for sent in self._waiting), default=inf)
        if due <= self._loop.time():
            self.close()
        else:
            self._look_at(due)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # A stream's is one that writes, whatever class the event loop gives it.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand each reply to whoever sent its command."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self.close()  # the data behind this connection are others now
                    return
                self._answer(reply)
        except (hiredis.ProtocolError, IndexError):
            self.close()  # a reply to nothing, or no reply at all: what follows means nothing

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        del exc
        if not self.lost.is_set():
            self.lost.set()
            for sent in self._waiting:
                if not sent.reply.done():
                    sent.reply.set_exception(RedisFault("The connection was lost."))
                    sent.reply.exception()  # nobody may be waiting any more
            self._waiting.clear()

    def _answer(self, reply: object) -> None:
        future = self._waiting.popleft().reply
        if future.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            future.set_exception(RedisRefused(str(reply)))
            future.exception()
        else:
            future.set_result(reply)  # type: ignore[arg-type]  # the parser's types are these


async def connect(address: RedisAddress, *, shop: str) -> RedisConnection:
    """
    Connect and shake hands; cancel to give up.

    Raises:
        RedisUnsuitable: the server is no primary, too old, a cluster, or would throw away markers.
        RedisFault: it does not answer, or refuses the login.
    """
    connection = await _open(address)
    try:
        await _log_in(connection, address)
        await _examine(connection, shop)
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
    except (OSError, ValueError) as error:  # a host's name may be impossible
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


async def _examine(connection: RedisConnection, shop: str) -> None:
    try:
        check_suitable(parse_info(await connection.call("INFO")))
        # Before the first reply from other data (emptied, or a replica's that lagged behind) the
        # server tells those who follow the token, on this very connection.
        await connection.call("HELLO", "3")
        name = f"cl:{shop}:token"
        await connection.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", name, "NOLOOP")
        told = parse_info(await connection.call("INFO"))
        check_suitable(told)
        token = await connection.call("GET", name)
        for script in SCRIPTS:
            await connection.call("SCRIPT", "LOAD", script.text)
    except RedisRefused as error:
        if str(error).startswith("LOADING"):
            raise RedisFault("Redis is still reading its file.") from error
        raise RedisUnsuitable(f"Redis does not let the shop work: {error}") from error
    connection.identify(
        shop=shop,
        run=f"{told.get('run_id', '')}:{told.get('master_replid', '')}",
        token=read_token(token),
    )


def read_token(reply: Reply) -> str:
    """Return the token that GET answered; what is no text is no token of ours."""
    return reply.decode(errors="replace") if isinstance(reply, bytes) else ""


def parse_info(reply: Reply) -> dict[str, str]:
    """Return what INFO answered, by name."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else ""
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def check_suitable(told: dict[str, str]) -> None:
    """
    Test what a server tells of itself (INFO: managed servers forbid CONFIG).

    Raises:
        RedisUnsuitable: the shop cannot use it.
    """
    version = told.get("redis_version", "")
    if _as_numbers(version) < _MIN_VERSION:
        raise RedisUnsuitable(f"Redis {version or 'of unknown version'} is too old; 6.2 is needed.")
    if told.get("cluster_enabled") == "1":
        raise RedisUnsuitable(
            "Redis runs in cluster mode, where a step on several keys is not atomic;"
            " give the address of one primary."
        )
    if told.get("role") != "master":
        raise RedisUnsuitable("Redis is a replica, which takes no writes; give its primary.")
    policy = told.get("maxmemory_policy", "noeviction")
    if not policy.startswith(_GOOD_POLICIES):
        raise RedisUnsuitable(
            f"Redis throws away keys that must stay (maxmemory-policy {policy});"
            " choose volatile-lru or noeviction."
        )


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
