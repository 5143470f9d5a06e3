"""
HTTP/1.1 on one connection.

Faults such as a reset connection, a truncated body or no answer need access to the transport, which
web frameworks hide. Hence this server.
"""

import asyncio
import socket
import struct
from collections import deque
from typing import cast

import httptools

from g2a_simulator.messages import DelayedReply, Delivery, Handler, Reply, Request

_MAX_BODY_BYTES = 1_000_000
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Reads requests, and sends their replies in order."""

    def __init__(self, handler: Handler, open_connections: set["Connection"]) -> None:
        self._handler = handler
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._busy = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports behave like asyncio's without being subclasses.
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's name
        """Drop the transport."""
        self._transport = None
        self._open.discard(self)
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        """Parse the data; a client that does not speak HTTP gets a 400."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.abort()
        except httptools.HttpParserError:
            self._send(Reply(400, b'{"status":"ERROR"}'), keep_alive=False)
        # Not inside the parser: it would treat an error of ours as an error of the client.
        self._answer_next()

    def on_url(self, url: bytes) -> None:
        """Collect the URL, which may come in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body."""
        self._body += body
        if len(self._body) > _MAX_BODY_BYTES:
            self.abort()

    def on_message_complete(self) -> None:
        """Queue the request."""
        url = httptools.parse_url(self._url)
        method = self._parser.get_method().decode("latin-1")
        request = Request(
            method=method,
            path=(url.path or b"/").decode("latin-1"),
            query=(url.query or b"").decode("latin-1"),
            headers=self._headers,
            body=self._body,
            # A reply to HEAD has no body; the client would read ours as its next reply.
            keep_alive=self._parser.should_keep_alive() and method != "HEAD",
        )
        self._url, self._headers, self._body = b"", {}, b""
        self._queue.append(request)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def _answer_next(self) -> None:
        while self._queue and not self._busy and self._is_open():
            request = self._queue.popleft()
            reply = self._handler(request)
            if isinstance(reply, DelayedReply):
                self._busy = True
                loop = asyncio.get_running_loop()
                loop.call_later(reply.seconds, self._answer_delayed, reply, request)
            else:
                self._send(reply, keep_alive=request.keep_alive)

    def _answer_delayed(self, delayed: DelayedReply, request: Request) -> None:
        reply = delayed.make(self._is_open())
        self._busy = False
        self._send(reply, keep_alive=request.keep_alive)
        self._answer_next()

    def _send(self, reply: Reply, *, keep_alive: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        match reply.delivery:
            case Delivery.COMPLETE:
                transport.write(reply.encode(keep_alive=keep_alive))
                if not keep_alive:
                    transport.close()
            case Delivery.TRUNCATED:
                data = reply.encode(keep_alive=True)
                transport.write(data[: len(data) - (len(reply.body) + 1) // 2])
                transport.close()
            case Delivery.CLOSED:
                transport.close()
            case Delivery.RESET:
                _reset(transport)
            case Delivery.NEVER:
                self._busy = True


def _reset(transport: asyncio.Transport) -> None:
    """Close the connection with a TCP reset."""
    connected: socket.socket | None = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
