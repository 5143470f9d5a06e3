"""
HTTP/1.1 as uvicorn speaks it, with limits on what a client may send, and how slowly.

uvicorn collects a request's head without a limit and waits for it without a deadline. Here, bytes
are counted before the parser sees them, and every connection is checked at intervals; a request
costs a few assignments and no timer.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from keyshop.entrypoints.http.connection_limits import Connections, count_cut
from keyshop.entrypoints.http.responses import encode_error

_SLICE: Final = 16 * 1024  # bytes that are given to the parser at a time
# A chunk of one byte has up to ten bytes around it, and every chunk costs time.
_OVERHEAD_PER_BODY_BYTE: Final = 16
_MAX_OVERHEAD_OF_BODY: Final = 1024 * 1024  # bytes

_MESSAGES: Final = {
    400: "Invalid HTTP request.",
    408: "The request took too long to arrive.",
    431: "The request's headers are too large.",
    503: "Too many connections are open; try again in a few seconds.",
}
_REASONS: Final = {
    400: "invalid_request",
    408: "slow_request",
    429: "too_many_pipelined",
    431: "head_too_large",
}
_RETRY_AFTER: Final = 5  # seconds


class _Phase(Enum):
    BETWEEN = auto()  # no request has begun, or the last one has arrived
    HEAD = auto()
    BODY = auto()
    REFUSED = auto()  # what arrives is dropped


class _Refused(Exception):
    """The parser is to stop; the connection gets this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LimitedProtocol(HttpToolsProtocol):
    """A connection of a client, within limits."""

    def __init__(
        self,
        open_connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._open_connections = open_connections
        self._limits = open_connections.limits
        # `self.cycle` is that of the newest request, which may still be in the pipeline.
        self._running: RequestResponseCycle | None = None
        self._phase = _Phase.BETWEEN
        self._since = self.loop.time()  # the begin of the phase
        self._stalled_since: float | None = None  # since when the client takes no response
        self._unsent = 0  # bytes of responses at the last check
        self._overhead = 0  # bytes of this request that are not data of its body
        self._body_size = 0
        self._unparsed = 0  # bytes before the request that is begun next in this slice

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else None
        if not self._open_connections.admit(self, address, self.loop):
            # No lingering: the descriptor is what is scarce.
            self._phase = _Phase.REFUSED
            self._write_refusal(503)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.remove(self)
        self._disconnect_running()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if len(data) <= _SLICE and self._overhead + len(data) <= self._limits.head_size:
            self._feed(data)
            return
        rest = memoryview(data)
        while rest and self._phase is not _Phase.REFUSED:
            size = _SLICE
            if self._phase is not _Phase.BODY:
                size = min(size, self._limits.head_size - self._overhead)
            self._feed(rest[:size])
            rest = rest[size:]

    def _feed(self, data: bytes | memoryview) -> None:
        if self._phase is _Phase.REFUSED:
            return
        self._unparsed = 0 if self._phase is _Phase.BETWEEN else len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The shop speaks no other protocol: it answers this request, and no other follows.
            self.cycle.keep_alive = False
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.status if isinstance(cause, _Refused) else 400)
            return
        if self._phase is _Phase.BETWEEN:
            return
        self._overhead += len(data)
        allowed = self._limits.head_size
        if not self._is_answered():
            # Only a body that is still read may come in small pieces.
            allowed += min(_OVERHEAD_PER_BODY_BYTE * self._body_size, _MAX_OVERHEAD_OF_BODY)
        is_open_head = self._phase is _Phase.HEAD
        if self._overhead > allowed or (is_open_head and self._overhead == allowed):
            self._refuse(431)

    # What the parser reports

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._enter(_Phase.HEAD)
        # Bytes of an earlier request in the same slice do not count for this one.
        self._overhead = -self._unparsed
        self._unparsed = _SLICE
        self._body_size = 0

    def on_headers_complete(self) -> None:
        if len(self.headers) > self._limits.head_fields:
            raise _Refused(431)
        if len(self.pipeline) >= self._limits.pipelined:
            raise _Refused(429)
        super().on_headers_complete()
        if not self.pipeline:
            self._running = self.cycle
        # A trailer arrives after the application has read the headers, so it is none of them.
        self.headers = []
        self._enter(_Phase.BODY)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if len(self.headers) > self._limits.head_fields:
            raise _Refused(431)
        super().on_message_complete()
        self._enter(_Phase.BETWEEN)
        self._overhead = 0

    # What the application and the transport report

    def on_response_complete(self) -> None:
        # As uvicorn does it, without its timer for the next request.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        elif self._phase is _Phase.BETWEEN:
            self._since = self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None

    def shutdown(self) -> None:
        if self._phase is _Phase.REFUSED:
            self.transport.close()
        else:
            super().shutdown()

    def close_if_late(self, now: float) -> None:
        """Close the connection if the client keeps it waiting for too long."""
        if self.transport.is_closing() and self._stalled_since is None:
            # What it still has to send may never be taken.
            self._stalled_since = now
        if self._stalled_since is not None:
            self._abort_if_stalled(now, self._stalled_since)
        elif self.flow.read_paused or self._waits_for_continue():
            # The client may not send, so it is not late.
            self._since = now
        else:
            self._close_if_silent(now - self._since)

    def _abort_if_stalled(self, now: float, since: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._stalled_since = now
        elif now - since > self._limits.send_time:
            count_cut("response_not_taken")
            self.transport.abort()
        self._unsent = unsent

    def _close_if_silent(self, seconds: float) -> None:
        if self._phase is _Phase.REFUSED:
            if seconds > self._limits.linger_time:
                self.transport.abort()
        elif self._phase is _Phase.HEAD:
            if seconds > self._limits.head_time:
                self._refuse(408)
        elif self._phase is _Phase.BODY:
            if self._is_body_late(seconds):
                self._refuse(408)
        elif self._is_answered() and seconds > self._idle_time():
            self._close_idle()

    def _is_body_late(self, seconds: float) -> bool:
        limits = self._limits
        least = limits.body_rate * seconds if seconds > limits.body_rate_after else 0
        return seconds > limits.body_time or self._body_size < least

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _waits_for_continue(self) -> bool:
        return self._phase is _Phase.BODY and self.cycle.waiting_for_100_continue

    def _idle_time(self) -> float:
        return self._limits.head_time if self.cycle is None else self._limits.idle_time

    def _close_idle(self) -> None:
        if self.transport.get_write_buffer_size():
            # Closing would wait for a client that takes nothing.
            self._stalled_since = self._since
            return
        self.transport.close()

    def _refuse(self, status: int) -> None:
        count_cut(_REASONS[status])
        is_first_response = self._is_unanswered_request()
        self.pipeline.clear()
        self._disconnect_running()
        if is_first_response:
            self._write_refusal(status)
        elif not self._is_answered():
            self.transport.close()
            return
        self._enter(_Phase.REFUSED)
        # Closing while bytes arrive would reset the connection before the response is read.
        self.flow.resume_reading()
        self.transport.write_eof()

    def _disconnect_running(self) -> None:
        """Let the application learn that no more of the body arrives; it sends nothing then."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _is_unanswered_request(self) -> bool:
        """Test whether the next response on the connection is that of the refused request."""
        if self.cycle is None or self.cycle.response_complete:
            # After a refusal of the application, such as 413, the rest of the body is late.
            return self._phase is not _Phase.BODY
        return self._phase is _Phase.BODY and not (self.cycle.response_started or self.pipeline)

    def _write_refusal(self, status: int) -> None:
        body = encode_error(_MESSAGES[status])
        fields = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if status == 503:
            fields.append((b"retry-after", str(_RETRY_AFTER).encode()))
        lines = [name + b": " + value + b"\r\n" for name, value in fields]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()


def limited_protocol(connections: Connections) -> type[asyncio.Protocol]:
    """Return what uvicorn calls for each new connection."""
    create: Callable[..., LimitedProtocol] = partial(LimitedProtocol, connections)
    # uvicorn only calls it.
    return cast("type[asyncio.Protocol]", create)
