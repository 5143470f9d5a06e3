"""What a client may send, how slowly and over how many connections, seen over real sockets."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import Any

import pytest
import uvicorn
import uvloop
from msgspec import structs
from msgspec.structs import replace
from prometheus_client import REGISTRY
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keyshop.entrypoints.http.client_address import Network
from keyshop.entrypoints.http.connection_limits import ConnectionLimits, Connections
from keyshop.entrypoints.http.server_protocol import limited_protocol

pytestmark = pytest.mark.timed

LIMITS = ConnectionLimits(
    head_time=0.2,
    body_time=0.5,
    body_rate=1000,
    body_rate_after=0.2,
    idle_time=0.2,
    send_time=0.4,
    linger_time=0.2,
)
PATIENT = ConnectionLimits()
LARGE = b"x" * 6_000_000


class Shop:
    """A server that answers with what it got, and notes the requests that it began."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[dict[str, Any]] = []
        self.gone: list[dict[str, Any]] = []
        self.clients: list[Client] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.connections: set[Any] = set()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append(scope)
        body = b""
        while scope["path"] != "/unread":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        await self.goes_on.wait()
        if scope["path"] == "/waits":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.append(scope)
            return
        if scope["path"] == "/large":
            answer = LARGE
        else:
            answer = json.dumps({"path": scope["path"], "body": len(body)}).encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def connect(self, source: str = "127.0.0.1", *, buffer: int = 0) -> "Client":
        """Connect from this address; `buffer` bounds what the kernel receives ahead, in bytes."""
        connection = socket.socket()
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.setblocking(False)
        connection.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        client = Client(*await asyncio.open_connection(sock=connection))
        self.clients.append(client)
        return client


class Client:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_to_end(self) -> bytes:
        """Return everything that is sent until the server closes the connection."""
        received = b""
        async with asyncio.timeout(20):
            try:
                while chunk := await self.reader.read(65536):
                    received += chunk
            except ConnectionError:
                pass
        return received

    async def status(self) -> int:
        """Return the status of the next answer, whose body is read too; 0 after the end."""
        async with asyncio.timeout(20):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0
            fields = dict(
                line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
            )
            await self.reader.readexactly(int(fields[b"content-length"]))
            return int(head.split()[1])


@asynccontextmanager
async def serving(limits: ConnectionLimits, trusted: Sequence[Network] = ()) -> AsyncIterator[Shop]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    # Or the kernel would take megabytes of an answer, and the server see no progress meanwhile.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    shop = Shop(listener.getsockname()[1])
    config = uvicorn.Config(
        shop.app,
        http=limited_protocol(Connections(limits, trusted)),
        ws="none",
        interface="asgi3",
        proxy_headers=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without the server's main loop, which takes a fifth of a second to end.
    await server.startup(sockets=[listener])
    shop.connections = server.server_state.connections
    try:
        yield shop
    finally:
        shop.goes_on.set()
        for listening in server.servers:
            listening.close()
        for client in shop.clients:
            client.writer.transport.abort()
            await asyncio.gather(client.writer.wait_closed(), return_exceptions=True)
        state = server.server_state
        await until(lambda: not (state.connections or state.tasks))
        listener.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)


def count_cuts(reason: str) -> float:
    """Return how many connections the shop's metrics count as cut for this reason."""
    labels = {"reason": reason}
    return REGISTRY.get_sample_value("keyshop_http_connections_cut_total", labels) or 0


async def outlast_a_body(shop: Shop) -> None:
    """Wait until a client that begins now has had all the time that there is for a body."""
    late = await shop.connect()
    enough = b"x" * int(2 * LIMITS.body_rate * LIMITS.body_time)
    await late.send(b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + enough)
    assert (await late.read_to_end()).startswith(b"HTTP/1.1 408 ")


def head_of(size: int) -> bytes:
    """Return a request whose head has this many bytes."""
    begin, end = b"GET /exact HTTP/1.1\r\nHost: a\r\nCookie: ", b"\r\n\r\n"
    return begin + b"c" * (size - len(begin) - len(end)) + end


class TestHead:
    async def test_is_read_up_to_64_kilobytes_and_refused_beyond(self):
        async with serving(PATIENT) as shop:
            for size, status in [(65_535, 200), (65_536, 200), (65_537, 431), (300_000, 431)]:
                client = await shop.connect()
                await client.send(head_of(size))
                assert await client.status() == status, size
            assert len(shop.requests) == 2

    @pytest.mark.parametrize("step", [1, 700, 16_384])
    async def test_counts_the_same_in_pieces(self, step):
        limits = structs.replace(PATIENT, head_size=2_000)
        async with serving(limits) as shop:
            for size, status in [(2_000, 200), (2_001, 431)]:
                client = await shop.connect()
                head = head_of(size)
                for start in range(0, size, step):
                    await client.send(head[start : start + step])
                    await asyncio.sleep(0)
                assert await client.status() == status

    @pytest.mark.parametrize(
        "begin",
        [
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ",
            b"GET / HTTP/1.1\r\nHost: a\r\nX-",
            b"GET /",
            b"GET /?q=",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;extension=",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ",
        ],
        ids=["value", "name", "target", "query", "chunk extension", "trailer"],
    )
    async def test_without_an_end_is_refused_long_before_it_is_collected(self, begin):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            sending = asyncio.create_task(client.send(begin + b"x" * 8_000_000))

            assert await client.status() == 431

            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    @pytest.mark.parametrize("count", [99, 100, 101])
    async def test_has_at_most_100_fields(self, count):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            fields = b"".join(b"X-%d: 1\r\n" % number for number in range(count))
            await client.send(b"GET / HTTP/1.1\r\n" + fields + b"\r\n")

            assert await client.status() == (200 if count <= 100 else 431)

    async def test_has_no_fields_that_come_after_the_body(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"2\r\nhi\r\n0\r\nAuthorization: Bearer late\r\n\r\n"
            )

            assert await client.status() == 200
            assert b"authorization" not in dict(shop.requests[0]["headers"])

    async def test_counts_trailers_too(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            trailers = b"".join(b"X-%d: 1\r\n" % number for number in range(101))
            await client.send(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n"
            )

            assert await client.status() == 431

    async def test_that_is_no_http_is_refused_with_a_sentence(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(gzip.compress(b"hello"))

            answer = await client.read_to_end()

            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"Invalid HTTP request." in answer

    async def test_asking_for_another_protocol_is_answered_in_this_one(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(
                b"GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )

            assert await client.status() == 200
            assert await client.status() == 0


class TestBody:
    async def test_in_chunks_of_one_byte_is_read(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"1\r\nx\r\n" * 30_000
                + b"0\r\n\r\n"
            )

            assert b'"body": 30000' in await read_answer(client)

    @pytest.mark.parametrize(("path", "status"), [(b"/", 431), (b"/unread", 200)])
    async def test_in_chunks_of_one_byte_is_not_parsed_for_ever(self, path, status):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(b"POST " + path + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            sending = asyncio.create_task(client.send(b"1\r\nx\r\n" * 1_000_000))

            assert await client.status() == status
            assert await client.read_to_end() == b""

            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def test_that_arrives_after_the_answer_may_be_followed_by_the_next_request(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(b"POST /unread HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert await client.status() == 200

            chunk = b"1000\r\n" + b"b" * 0x1000 + b"\r\n"
            await client.send(chunk * 200 + b"0\r\n\r\n" + head_of(1_000))

            assert await client.status() == 200

    async def test_may_be_large_and_followed_by_the_next_request(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            body = b"b" * 300_000
            await client.send(
                (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body) * 3
                + head_of(60_000)
            )

            assert [await client.status() for _ in range(4)] == [200] * 4


class TestPipelining:
    async def test_of_some_requests_answers_each(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(b"GET / HTTP/1.1\r\n\r\n" * 100)

            assert [await client.status() for _ in range(100)] == [200] * 100

    async def test_of_thousands_of_requests_closes_the_connection(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(b"GET / HTTP/1.1\r\n\r\n" * 10_000)

            await client.read_to_end()

            assert len(shop.requests) <= 101

    @pytest.mark.parametrize(
        "later",
        [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * 2 + b"\0no request\r\n\r\n"],
        ids=["request", "no HTTP"],
    )
    def test_and_hanging_up_is_no_error(self, caplog: pytest.LogCaptureFixture, later: bytes):
        async def hang_up() -> list[dict[str, Any]]:
            async with serving(PATIENT) as shop:
                shop.goes_on.clear()
                client = await shop.connect()
                await client.send(b"GET / HTTP/1.1\r\n\r\n" + later)
                await until(lambda: shop.requests)
                client.writer.close()
                await until(lambda: not shop.connections)
            return shop.requests

        # As the shop runs. Its transports fail when they are written to after the end.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            requests = runner.run(hang_up())

        assert len(requests) == 1
        assert caplog.records == []

    async def test_and_hanging_up_is_known_to_the_request_that_is_served(self):
        async with serving(PATIENT) as shop:
            client = await shop.connect()
            await client.send(b"GET /waits HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n")
            await until(lambda: shop.requests)
            client.writer.close()

            await until(lambda: shop.gone)


class TestSilence:
    async def test_before_a_request_ends_the_connection(self):
        async with serving(LIMITS) as shop:
            client = await shop.connect()
            assert await client.read_to_end() == b""

    async def test_after_an_answer_ends_the_connection(self):
        async with serving(LIMITS) as shop:
            client = await shop.connect()
            await client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert await client.status() == 200
            assert await client.read_to_end() == b""

    async def test_does_not_end_a_connection_that_is_used(self):
        async with serving(LIMITS) as shop:
            client = await shop.connect()
            silent = await shop.connect()
            for each in (client, silent):
                await each.send(b"GET / HTTP/1.1\r\n\r\n")
                assert await each.status() == 200
            ending = asyncio.create_task(silent.read_to_end())
            while not ending.done():
                await asyncio.sleep(LIMITS.idle_time / 10)
                await client.send(b"GET / HTTP/1.1\r\n\r\n")
                assert await client.status() == 200

    @pytest.mark.parametrize(
        "begin",
        [
            b"G",
            b"GET / HTTP/1.1\r\nHost: a\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        ],
    )
    async def test_within_a_request_is_answered_408(self, begin):
        async with serving(LIMITS) as shop:
            client = await shop.connect()
            await client.send(begin)

            assert (await client.read_to_end()).startswith(b"HTTP/1.1 408 ")

    @pytest.mark.parametrize(
        "begin",
        [
            b"GET / HTTP/1.1\r\nX-Drip: ",
            b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        ],
    )
    async def test_is_not_broken_by_a_byte_now_and_then(self, begin):
        async with serving(LIMITS) as shop:
            client = await shop.connect()
            await client.send(begin)
            dripping = asyncio.create_task(drip(client))

            assert (await client.read_to_end()).startswith(b"HTTP/1.1 408 ")
            dripping.cancel()

    async def test_of_a_shop_that_works_is_no_fault_of_the_client(self):
        async with serving(LIMITS) as shop:
            shop.goes_on.clear()
            client = await shop.connect()
            await client.send(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
            await until(lambda: shop.requests)
            await outlast_a_body(shop)
            shop.goes_on.set()

            assert await client.status() == 200

    async def test_of_a_client_that_waits_to_be_asked_for_its_body_is_no_fault(self):
        async with serving(LIMITS) as shop:
            shop.goes_on.clear()
            client = await shop.connect()
            await client.send(
                b"POST /unread HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            )
            await until(lambda: shop.requests)
            await outlast_a_body(shop)
            shop.goes_on.set()

            assert await client.status() == 200

    async def test_of_a_client_that_takes_no_answer_ends_the_connection(self):
        async with serving(LIMITS) as shop:
            before = count_cuts("response_not_taken")
            client = await shop.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(b"GET /large HTTP/1.1\r\n\r\n")
            await until(lambda: count_cuts("response_not_taken") > before)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]

            assert len(await client.read_to_end()) < len(LARGE)

    async def test_between_reads_of_a_large_answer_is_allowed(self):
        limits = replace(LIMITS, send_time=0.6)
        async with serving(limits) as shop:
            client = await shop.connect(buffer=64 * 1024)
            began = time.monotonic()
            await client.send(b"GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")
            received = 0
            while chunk := await client.reader.read(64 * 1024):
                received += len(chunk)
                if time.monotonic() - began < 2 * limits.send_time:
                    await asyncio.sleep(limits.send_time / 30)

            assert received > len(LARGE)
            assert time.monotonic() - began > 2 * limits.send_time


class TestConnectionCap:
    async def test_of_one_client_leaves_room_for_another(self):
        limits = structs.replace(PATIENT, connections=20, connections_per_client=5)
        async with serving(limits) as shop:
            silent = [await shop.connect() for _ in range(6)]

            assert await silent[5].status() == 503
            other = await shop.connect("127.0.0.2")
            await other.send(b"GET / HTTP/1.1\r\n\r\n")
            assert await other.status() == 200

    async def test_is_free_again_when_a_connection_has_ended(self):
        limits = structs.replace(LIMITS, connections_per_client=2)
        async with serving(limits) as shop:
            silent = [await shop.connect() for _ in range(2)]
            for client in silent:
                await client.read_to_end()

            client = await shop.connect()
            await client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert await client.status() == 200

    async def test_of_a_client_does_not_hold_for_a_trusted_proxy(self):
        limits = structs.replace(PATIENT, connections=8, connections_per_client=2)
        async with serving(limits, [IPv4Network("127.0.0.0/24")]) as shop:
            proxied = [await shop.connect() for _ in range(8)]
            for client in proxied:
                await client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert [await client.status() for client in proxied] == [200] * 8

            # The cap of all connections holds for the proxy too.
            assert await (await shop.connect()).status() == 503

    def test_counts_an_ipv6_site_as_one_client(self):
        loop = asyncio.new_event_loop()
        connections = Connections(structs.replace(PATIENT, connections_per_client=1))
        admitted = [
            connections.admit(Checked(), address, loop)
            for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1"]
        ]
        loop.close()

        assert admitted == [True, False, True, True]
        assert not connections.admit(Checked(), "192.0.2.1", loop)


class Checked:
    def close_if_late(self, now: float) -> None: ...


async def drip(client: Client) -> None:
    while True:
        try:
            await client.send(b"x")
        except ConnectionError:
            return
        await asyncio.sleep(LIMITS.head_time / 5)


async def read_answer(client: Client) -> bytes:
    head = await client.reader.readuntil(b"\r\n\r\n")
    return head + await client.reader.read(1000)


class TestUvicorn:
    def test_has_the_methods_that_the_limits_replace(self):
        """A new release of uvicorn that calls others would have no limits."""
        for name in [
            "connection_made", "connection_lost", "data_received", "on_message_begin",
            "on_header", "on_headers_complete", "on_body", "on_message_complete",
            "on_response_complete", "pause_writing", "resume_writing", "shutdown",
        ]:  # fmt: skip
            assert callable(getattr(HttpToolsProtocol, name))
