"""One connection, byte by byte."""

import asyncio

import httpx2
import pytest

from g2a_simulator.server import serve
from tests.factories.simulator_buyer import AUTHORIZATION

ASKING = f"GET /v1/products?page=%d HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\n\r\n"


async def read_reply(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head.split()[1], await reader.readexactly(length)


@pytest.fixture
async def connection(market):
    async with serve(market) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        yield reader, writer
        writer.close()
        await writer.wait_closed()


class TestConnection:
    async def test_answers_requests_sent_together_in_their_order(self, connection, market):
        reader, writer = connection
        market.faults.next("products", "slow", seconds=0.05)
        writer.write("".join(ASKING % page for page in (1, 2, 3)).encode())

        replies = [await read_reply(reader) for _ in range(3)]

        assert [body.split(b'"page":')[1][:1] for _, body in replies] == [b"1", b"2", b"3"]

    async def test_understands_a_request_in_pieces(self, connection):
        reader, writer = connection
        for byte in (ASKING % 4).encode():
            writer.write(bytes([byte]))
            await writer.drain()

        status, body = await read_reply(reader)

        assert (status, b'"page":4' in body) == (b"200", True)

    async def test_closes_after_invalid_data(self, connection):
        reader, writer = connection
        writer.write(b"\x16\x03\x01\x00 hello\r\n\r\n")

        assert (await read_reply(reader))[0] == b"400"
        assert await reader.read() == b""

    async def test_closes_when_the_client_asks_for_it(self, connection):
        reader, writer = connection
        writer.write((ASKING % 1).replace("Host: x", "Connection: close").encode())

        assert (await read_reply(reader))[0] == b"200"
        assert await reader.read() == b""

    async def test_closes_when_a_body_is_too_large(self, buyer, market):
        with pytest.raises(httpx2.NetworkError):
            await buyer.http.post("/v1/order", content=b"x" * 2_000_000)

        assert (await buyer.products()).status_code == 200
        assert market.ledger.count("order") == 0
