"""
One connection to Redis that any number of tasks use at once.

Commands that are sent in the same turn of the event loop leave together, and replies come in the
order of the commands, so no task waits for a free connection. The task does not wait for a late
reply, which is discarded when it comes; one that is much too late closes the connection, and the
other tasks that wait on it then read from PostgreSQL.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final, TypeAlias, cast

import hiredis
from msgspec import Struct

from keyshop.kit.cache.redis.errors import RedisFault, RedisRefused
from keyshop.kit.cache.redis.scripts import Script

Reply: TypeAlias = "bytes | int | list[Reply] | None"
_Argument: TypeAlias = str | bytes | int

MAX_LATENESS: Final = 0.2  # seconds after its timeout until a missing reply closes the connection

_PING_TIMEOUT: Final = 1.0  # seconds
_MEASUREMENTS: Final = 3
_MAX_PENDING: Final = 4096  # commands without a reply
_MAX_UNSENT: Final = 4 * 1024 * 1024  # bytes in the write buffer


class _PendingCommand(Struct):
    """A command without a reply; `due` is on the event loop's clock."""

    reply: "asyncio.Future[Reply]"
    due: float


class RedisConnection(asyncio.Protocol):
    """A connection after its handshake; `incarnation` identifies the data behind it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._pending: deque[_PendingCommand] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = inf
        self._transport: asyncio.WriteTransport | None = None
        self._late_replies = 0
        self._round_trips: deque[float] = deque(maxlen=_MEASUREMENTS)
        self.round_trip = 0.0
        self.lost = asyncio.Event()
        self.shop = ""
        self._run = ""
        self.token = ""
        self.incarnation = ""

    def identify(self, *, shop: str, run: str, token: str) -> None:
        """
        Store the identity of the server and of its data.

        A restarted server has another run id, a promoted or restored one another replication id,
        and an emptied one another token or none.
        """
        self.shop, self._run = shop, run
        self.set_token(token)

    def set_token(self, token: str) -> None:
        """Store the token that this server was given."""
        self.token = token
        self.incarnation = f"{self._run}:{token}"

    @property
    def is_late(self) -> bool:
        """Whether a reply is overdue, so that the next one would be late as well."""
        return self._late_replies > 0

    def record_round_trip(self, seconds: float) -> None:
        """
        Add a measurement of `round_trip`, the seconds between a command and its reply.

        It is the shortest of the last ones: a process that was busy during one of them is not a
        Redis far away.
        """
        self._round_trips.append(seconds)
        self.round_trip = min(self._round_trips)

    async def ping(self) -> None:
        """
        Wait for a reply, and measure the round trip.

        Raises:
            RedisFault: there is none within a second.
        """
        began = self._loop.time()
        await self.call("PING", timeout=_PING_TIMEOUT)
        self.record_round_trip(self._loop.time() - began)

    async def call(self, *command: _Argument, timeout: float = inf) -> Reply:
        """
        Send a command and return its reply; close the connection if this task is cancelled.

        `timeout` is in seconds. One timer serves all commands of the connection: `asyncio.timeout`
        around each call would cost as much as the call.

        Raises:
            RedisRefused: the server refused the command.
            RedisFault: the reply is late, or the connection is lost.
        """
        reply = self._send(command, timeout)
        try:
            return await reply
        except asyncio.CancelledError:
            # Its reply is still to come, and must not be taken for the reply to another command.
            self.close()
            raise

    async def call_all(self, commands: Sequence[Sequence[_Argument]]) -> list[Reply]:
        """
        Send commands in one round trip, and return their replies; otherwise as `call`.

        The server runs all of them, also those after one that it refuses.
        """
        replies = [self._send(command, inf) for command in commands]
        try:
            return [await reply for reply in replies]
        except asyncio.CancelledError:
            self.close()
            raise

    async def run_script(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[_Argument],
        *,
        timeout: float = inf,
    ) -> Reply:
        """Run a script that the handshake loaded; otherwise as `call`."""
        return await self.call(
            "EVALSHA", script.digest, len(keys), *keys, *arguments, timeout=timeout
        )

    async def run_scripts(
        self, calls: Sequence[tuple[Script, Sequence[str], Sequence[_Argument]]]
    ) -> list[Reply]:
        """Run scripts in this order, in one round trip."""
        return await asyncio.gather(
            *(self.run_script(script, keys, arguments) for script, keys, arguments in calls)
        )

    def post_script(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[_Argument],
        *,
        timeout: float = inf,
    ) -> None:
        """
        Send a script and ignore its reply; the server runs it after all earlier commands.

        Raises:
            RedisFault: the connection is lost.
        """
        self._send(("EVALSHA", script.digest, len(keys), *keys, *arguments), timeout)

    def close(self) -> None:
        """Close at once; every pending command fails with RedisFault."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def _send(self, command: Sequence[_Argument], timeout: float) -> asyncio.Future[Reply]:
        if self._transport is None or self.lost.is_set():
            raise RedisFault("The connection is closed.")
        if (
            len(self._pending) >= _MAX_PENDING
            or self._transport.get_write_buffer_size() > _MAX_UNSENT
        ):
            self.close()
            raise RedisFault("The server takes no more.")
        future: asyncio.Future[Reply] = self._loop.create_future()
        due = self._loop.time() + timeout
        self._pending.append(_PendingCommand(future, due))
        if due < self._timer_due:
            self._set_timer(due)
        # The parser's stub takes tuples of one argument only.
        self._transport.write(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]
        return future

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due == inf else self._loop.call_at(due, self._give_up_late)
        self._timer_due = due

    def _give_up_late(self) -> None:
        """Fail the commands whose reply is late; close if one is much too late."""
        now, next_due = self._loop.time(), inf
        for command in self._pending:
            if command.due + MAX_LATENESS <= now:
                self.close()
                return
            if command.due > now:
                next_due = min(next_due, command.due)
                continue
            next_due = min(next_due, command.due + MAX_LATENESS)
            if not command.reply.done():
                self._late_replies += 1
                _fail(command, "The reply is late.")
        self._set_timer(next_due)

    # Callbacks of asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        # uvloop's transport writes, but is of no class that asyncio declares for that.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Give each reply to the oldest pending command."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self.close()  # the token has changed, so the data have
                    return
                self._resolve(reply)
        except (hiredis.ProtocolError, IndexError):
            self.close()  # no valid reply, or a reply to no command

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail every pending command."""
        del exc
        if not self.lost.is_set():
            self.lost.set()
            for command in self._pending:
                if not command.reply.done():
                    _fail(command, "The connection was lost.")
            self._pending.clear()

    def _resolve(self, reply: object) -> None:
        future = self._pending.popleft().reply
        if future.done():
            self._late_replies -= 1
        elif isinstance(reply, hiredis.ReplyError):
            future.set_exception(RedisRefused(str(reply)))
            future.exception()
        else:
            future.set_result(reply)  # type: ignore[arg-type]  # the parser's types are these


def _fail(command: _PendingCommand, reason: str) -> None:
    command.reply.set_exception(RedisFault(reason))
    command.reply.exception()  # the task may have stopped waiting
