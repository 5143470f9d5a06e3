"""Clients that hang up while they send a request, over real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from litestar.types import ASGIApp
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from keyshop.entrypoints.http.connection_limits import ConnectionLimits, Connections
from keyshop.entrypoints.http.server_protocol import limited_protocol

LIMITS = ConnectionLimits(body_rate_after=0.1, linger_time=0.1)


@pytest_asyncio.fixture
async def port(app: ASGIApp) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=limited_protocol(Connections(LIMITS)),
        ws="none",
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


def counted(operation: str, status: int, method: str = "POST") -> float:
    labels = {"operation": operation, "method": method, "status": str(status)}
    return REGISTRY.get_sample_value("keyshop_http_requests_total", labels) or 0.0


async def wait_for_log(lines: list[MutableMapping[str, Any]]) -> MutableMapping[str, Any]:
    async with asyncio.timeout(10):
        while True:
            for line in lines:
                if line["event"] == "request":
                    return line
            await asyncio.sleep(0.01)


class TestClientThatHangsUp:
    @pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
    @pytest.mark.parametrize(
        ("framing", "begin"),
        [
            (b"Content-Length: 100\r\n", b""),
            (b"Content-Length: 100\r\n", b'{"email": "a'),
            (b"Transfer-Encoding: chunked\r\n", b'5\r\n{"ema\r\n'),
        ],
        ids=["before", "within", "between chunks"],
    )
    @pytest.mark.parametrize("path", ["/api/auth/login", "/tests/wishes", "/tests/framework"])
    async def test_is_no_failure_of_the_shop(
        self, port: int, path: str, framing: bytes, begin: bytes, is_reset: bool
    ):
        gone, failed = counted(path, 499), counted(path, 500)
        with capture_logs() as lines:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
            writer.write(head.encode() + b"Expect: 100-continue\r\n" + framing + b"\r\n")
            # The shop has begun the request when it asks for the body.
            assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            await writer.drain()
            if is_reset:
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            writer.close()
            line = await wait_for_log(lines)

        assert (line["log_level"], line["outcome"]) == ("info", "client_gone")
        assert [entry["event"] for entry in lines] == ["request"]
        assert counted(path, 499) == gone + 1
        assert counted(path, 500) == failed

    async def test_is_told_from_a_failure_after_the_body_has_arrived(self, port: int):
        failed = counted("/tests/faults", 500)
        with capture_logs() as lines:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /tests/faults HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            await wait_for_log(lines)

        assert "request.failed" in [line["event"] for line in lines]
        assert counted("/tests/faults", 500) == failed + 1


class TestClientThatStopsSending:
    async def test_is_answered_and_is_no_failure_of_the_shop(self, port: int):
        failed = counted("/tests/wishes", 500)
        with capture_logs() as lines:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /tests/wishes HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
                b"Content-Length: 9\r\n\r\n{"
            )
            answer = await asyncio.wait_for(reader.read(), timeout=10)
            line = await wait_for_log(lines)
            writer.close()

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert line["outcome"] == "client_gone"
        assert counted("/tests/wishes", 500) == failed
