"""
HTTP/1.1 on one connection.

A server of our own rather than a framework's: resetting a connection, ending it in the middle
of a body and staying silent need the transport, which frameworks rightly hide.
"""

import asyncio
import socket
import struct
from collections import deque
from typing import cast

import httptools

from g2a_simulator.messages import Answering, Ending, Later, Reply, Request

_MAX_BODY = 1_000_000
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Reads requests, asks for the reply to each, and sends them in order."""

    def __init__(self, answer: Answering, open_connections: set["Connection"]) -> None:
        self._answer = answer
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of a new connection."""
        # uvloop's transports only behave like asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's name
        """Forget a connection that has ended."""
        self._transport = None
        self._open.discard(self)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """Read what came; whoever does not speak HTTP is cut off."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.abort()
        except httptools.HttpParserError:
            self._send(Reply(400, b'{"status":"ERROR"}'), keep_alive=False)
        # Not from within the parser: it would take an error of ours for one of the client's.
        self._answer_next()

    def on_url(self, url: bytes) -> None:
        """Take (a part of) the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body
        if len(self._body) > _MAX_BODY:
            self.abort()

    def on_message_complete(self) -> None:
        """Put the request in line."""
        url = httptools.parse_url(self._url)
        method = self._parser.get_method().decode("latin-1")
        request = Request(
            method=method,
            path=(url.path or b"/").decode("latin-1"),
            query=(url.query or b"").decode("latin-1"),
            headers=self._headers,
            body=self._body,
            # A reply to HEAD has no body by definition, and ours would be read as the next reply.
            keep_alive=self._parser.should_keep_alive() and method != "HEAD",
        )
        self._url, self._headers, self._body = b"", {}, b""
        self._waiting.append(request)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def _answer_next(self) -> None:
        while self._waiting and not self._busy and self._is_open():
            request = self._waiting.popleft()
            reply = self._answer(request)
            if isinstance(reply, Later):
                self._busy = True
                loop = asyncio.get_running_loop()
                loop.call_later(reply.seconds, self._answer_late, reply, request)
            else:
                self._send(reply, keep_alive=request.keep_alive)

    def _answer_late(self, later: Later, request: Request) -> None:
        reply = later.make(self._is_open())
        self._busy = False
        self._send(reply, keep_alive=request.keep_alive)
        self._answer_next()

    def _send(self, reply: Reply, *, keep_alive: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        match reply.ending:
            case Ending.WHOLE:
                transport.write(reply.encode(keep_alive=keep_alive))
                if not keep_alive:
                    transport.close()
            case Ending.CUT:
                whole = reply.encode(keep_alive=True)
                transport.write(whole[: len(whole) - (len(reply.body) + 1) // 2])
                transport.close()
            case Ending.SILENT:
                transport.close()
            case Ending.RESET:
                _reset(transport)
            case Ending.NEVER:
                self._busy = True


def _reset(transport: asyncio.Transport) -> None:
    """Close so that the client sees a reset, not an orderly end."""
    connected: socket.socket | None = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
