"""The connection to Redis: login, unsuitable servers, and bad replies."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.embedded.ports import choose_port
from keyshop.kit.cache.open import run_relay
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.cache.redis.connect import connect
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault, RedisRefused, RedisUnsuitable
from keyshop.kit.cache.redis.scripts import TOKEN
from keyshop.kit.cache.redis.server_info import parse_info
from keyshop.kit.errors import Invalid
from tests.factories.cached_shop import CachedShop, cached_shop_at, open_cached_shop, until
from tests.keyshop.kit.cache.network import Network, network_to
from tests.keyshop.kit.cache.redis_process import RedisProcess, serving

LATE = 0.4  # seconds of tolerance for a busy machine

GOOD_INFO = b"redis_version:7.2.0\r\nrun_id:a\r\nmaster_replid:b\r\nrole:master\r\n"


def make_certificate(folder: Path) -> tuple[str, str]:
    """Make a self-signed certificate, and return its file and its key's."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed.")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


async def enter(url: str) -> RedisConnection:
    async with asyncio.timeout(5):
        return await connect(parse_address(url), shop="shop")


class TestServerFarAway:
    # Each way takes half of it, and TCP's own round trip none here: the network is on this machine.
    @pytest.mark.parametrize("round_trip", [0.02, 0.1])
    async def test_is_reached_in_two_round_trips_with_login_and_database(self, kind, round_trip):
        with serving(kind, "--requirepass", "secret") as server:
            async with network_to(server.port) as network:
                network.delay = round_trip / 2
                url = f"redis://:secret@127.0.0.1:{network.port}/3"
                loop = asyncio.get_running_loop()
                began = loop.time()
                connection = await enter(url)
                took = loop.time() - began
                assert await connection.call("EVALSHA", TOKEN.digest, 1, "t", "x") == 1
                connection.close()

                assert took < 2 * round_trip + 0.15

                with pytest.raises(RedisUnsuitable, match="refuses the login"):
                    await enter(url.replace("secret", "wrong"))

    @pytest.mark.parametrize("round_trip", [0.02, 0.045])
    async def test_serves_reads_within_the_time_of_a_read(
        self, database_url, own_valkey, round_trip
    ):
        async with network_to(own_valkey.port) as network:
            network.delay = round_trip / 2
            url = f"redis://127.0.0.1:{network.port}/0"
            async with open_cached_shop(database_url, url) as (cached_shop, game):
                # Not each single read: the machine may be busy for longer than a read waits.
                for _ in range(3):
                    await cached_shop.until_kept(game)

    async def test_is_asked_once_by_a_read_where_two_replies_would_come_too_late(
        self, database_url, own_valkey
    ):
        async with far_shop(database_url, own_valkey, round_trip=0.045) as (cached_shop, _):
            game = await cached_shop.add(price=Decimal("10.00"))
            await cached_shop.until_kept(game)
            before = count_calls(own_valkey, "mget")
            for _ in range(5):
                await cached_shop.price(game)
            assert count_calls(own_valkey, "mget") == before

    async def test_lets_parallel_reads_share_one_load(self, database_url, own_valkey):
        async with far_shop(database_url, own_valkey, round_trip=0.045) as (cached_shop, _):
            await cached_shop.until_kept(await cached_shop.add(title="Another"))
            game = await cached_shop.add(price=Decimal("11.00"))
            cached_shop.loads = 0
            prices = await asyncio.gather(*(cached_shop.price(game) for _ in range(30)))
            assert set(prices) == {"11.00"}
            assert cached_shop.loads < 5

    async def test_is_seen_to_change_with_every_write(self, database_url, own_valkey):
        async with far_shop(database_url, own_valkey, round_trip=0.045) as (cached_shop, _):
            game = await cached_shop.add(price=Decimal("10.00"))
            for cents in range(3):
                await cached_shop.until_kept(game)
                await cached_shop.set_price(game, f"11.0{cents}")
                assert await cached_shop.price(game) == f"11.0{cents}"

    async def test_is_not_asked_where_no_reply_would_come_in_time(self, database_url, own_valkey):
        async with far_shop(database_url, own_valkey, round_trip=0.1) as (cached_shop, network):
            game = await cached_shop.add(price=Decimal("10.00"))
            before = count_calls(own_valkey, "mget", "evalsha")
            for _ in range(20):
                assert await cached_shop.price(game) == "10.00"
            # A script of the write before may still be on its way.
            assert count_calls(own_valkey, "mget", "evalsha") - before < 5
            await cached_shop.set_price(game, "11.00")
            assert await cached_shop.price(game) == "11.00"

            network.delay = 0
            await cached_shop.until_kept(game)
            assert await cached_shop.price(game) == "11.00"

    async def test_keeps_no_lease_of_a_read_that_stopped_waiting(self, database_url, own_valkey):
        async with far_shop(database_url, own_valkey, round_trip=0.045) as (cached_shop, network):
            await cached_shop.until_kept(await cached_shop.add(title="Another"))
            game = await cached_shop.add(price=Decimal("11.00"))
            network.hold_answers()
            assert await cached_shop.price(game) == "11.00"
            network.release()

            async def is_free() -> bool:
                return not own_valkey.execute("KEYS", f"cl:*{game}")

            await until(is_free, seconds=1.5)  # a lease lasts two seconds
            await cached_shop.until_kept(game)


@asynccontextmanager
async def far_shop(
    database_url: str, server: RedisProcess, *, round_trip: float
) -> AsyncIterator[tuple[CachedShop, Network]]:
    """A process of a shop that has reached a Redis far away, and a relay beside that."""
    async with network_to(server.port) as network:
        network.delay = round_trip / 2
        url = f"redis://127.0.0.1:{network.port}/0"
        async with (
            run_relay(database_url, server.url),
            cached_shop_at(database_url, url) as cached_shop,
        ):

            async def is_reached() -> bool:
                fault = await cached_shop.find_fault()
                return fault is None or "ms away" in fault

            await until(is_reached)
            yield cached_shop, network


def count_calls(server: RedisProcess, *commands: str) -> int:
    """Count the calls of these commands that the server has received."""
    found = server.execute("INFO", "commandstats")
    return sum(found.get(f"cmdstat_{command}", {}).get("calls", 0) for command in commands)


class TestServer:
    async def test_is_entered_without_a_password(self, own_redis):
        connection = await enter(own_redis.url)
        assert await connection.call("PING") == b"PONG"
        connection.close()

    async def test_is_entered_with_a_password(self, kind):
        with serving(kind, "--requirepass", "p@ss/word") as server:
            connection = await enter(f"redis://:p%40ss%2Fword@127.0.0.1:{server.port}/0")
            assert await connection.call("PING") == b"PONG"
            connection.close()
            with pytest.raises(RedisUnsuitable, match="refuses the login"):
                await enter(f"redis://:wrong@127.0.0.1:{server.port}/0")
            with pytest.raises(RedisUnsuitable, match="NOAUTH"):
                await enter(server.url)

    async def test_accepts_a_user_with_a_password(self, own_redis):
        own_redis.execute("ACL", "SETUSER", "shop", "on", ">secret", "~*", "&*", "+@all")
        connection = await enter(f"redis://shop:secret@127.0.0.1:{own_redis.port}/0")
        assert await connection.call("ACL", "WHOAMI") == b"shop"
        connection.close()

    async def test_is_entered_in_the_database_of_that_number(self, own_redis):
        connection = await enter(own_redis.url_of(7))
        await connection.call("SET", "where", "seven")
        connection.close()
        assert own_redis.execute("GET", "where", database=7) == b"seven"
        assert own_redis.execute("GET", "where", database=0) is None

    async def test_is_entered_through_a_socket_file(self, kind, tmp_path):
        with serving(kind, "--unixsocket", str(tmp_path / "s")):
            connection = await enter(f"unix://{tmp_path / 's'}?db=3")
            assert await connection.call("PING") == b"PONG"
            connection.close()

    async def test_is_entered_over_tls_when_its_certificate_is_trusted(self, tmp_path):
        certificate, key = make_certificate(tmp_path)
        port = choose_port(tmp_path / "tls")
        private = [
            "--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
            "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no",
        ]  # fmt: skip
        with serving("redis", *private):
            believed = await enter(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")
            unasked = await enter(f"rediss://localhost:{port}/0?ssl_cert_reqs=none")
            with pytest.raises(RedisFault):
                await enter(f"rediss://localhost:{port}/0")

        for connection in (believed, unasked):
            connection.close()

    @pytest.mark.parametrize(
        ("command", "sentence"),
        [
            (("REPLICAOF", "127.0.0.1", "1"), "replica"),
            (("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), "maxmemory-policy allkeys-lru"),
        ],
    )
    async def test_that_would_evict_what_must_stay_is_refused(self, own_redis, command, sentence):
        own_redis.execute(*command)
        with pytest.raises(RedisUnsuitable, match=sentence):
            await enter(own_redis.url)

    async def test_in_cluster_mode_is_refused(self, kind, tmp_path):
        options = ("--databases", "1", "--cluster-config-file", str(tmp_path / "nodes"))
        with (
            serving(kind, "--cluster-enabled", "yes", *options) as server,
            pytest.raises(RedisUnsuitable, match="cluster mode"),
        ):
            await enter(server.url)

    async def test_that_is_not_there_is_a_fault(self):
        with pytest.raises(RedisFault):
            await enter("redis://127.0.0.1:1/0")

    @pytest.mark.parametrize(
        "url", [f"redis://{'x' * 70}.example/0", "rediss://127.0.0.1:1/0?ssl_ca_certs=/nowhere"]
    )
    async def test_that_cannot_be_found_or_checked_is_a_fault(self, url):
        with pytest.raises(RedisFault):
            await enter(url)

    async def test_with_an_invalid_address_is_refused(self):
        with pytest.raises(Invalid, match="REDIS_URL"):
            parse_address("http://127.0.0.1")


@asynccontextmanager
async def pretending(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """A server that speaks the protocol and sends the replies that the test chooses."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            writer.write(answer(b" ".join(words)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()


def replying(info: bytes, other: bytes = b"+OK\r\n") -> Callable[[bytes], bytes]:
    def answer(command: bytes) -> bytes:
        if command == b"INFO":
            return b"$%d\r\n%s\r\n" % (len(info), info)
        if command.split()[0] in {b"HELLO", b"CLIENT", b"SCRIPT", b"GET"}:
            return b"+OK\r\n"
        return other

    return answer


class TestFakeServer:
    @pytest.mark.parametrize(
        "info",
        [
            b"redis_version:5.0.14\r\nrole:master\r\n",
            b"redis_version:6.0.16\r\nrole:master\r\n",
            b"redis_version:\r\nrole:master\r\n",
            b"",
            b"\xff\xfe",
        ],
    )
    async def test_that_is_too_old_or_says_nothing_is_refused(self, info):
        async with pretending(replying(info)) as url:
            with pytest.raises(RedisUnsuitable, match="too old"):
                await enter(url)

    async def test_that_is_still_loading_is_tried_again_later(self):
        async with pretending(lambda _: b"-LOADING reading\r\n") as url:
            with pytest.raises(RedisFault, match="still reading") as raised:
                await enter(url)
        assert not isinstance(raised.value, RedisUnsuitable)

    @pytest.mark.parametrize("reply", [b"!garbage\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    async def test_that_talks_garbage_loses_the_connection(self, reply):
        async with pretending(replying(GOOD_INFO, reply)) as url:
            connection = await enter(url)
            with pytest.raises(RedisFault):
                async with asyncio.timeout(2):
                    await connection.call("PING")
            assert connection.lost.is_set()

    async def test_that_answers_twice_loses_the_connection(self):
        async with pretending(replying(GOOD_INFO, b"+ONE\r\n+TWO\r\n")) as url:
            connection = await enter(url)
            assert await connection.call("PING") == b"ONE"
            async with asyncio.timeout(2):
                await connection.lost.wait()

    async def test_that_refuses_one_command_keeps_the_connection(self):
        async with pretending(replying(GOOD_INFO, b"-OOM no memory\r\n")) as url:
            connection = await enter(url)
            with pytest.raises(RedisRefused, match="OOM"):
                await connection.call("SET", "a", "b")
            assert not connection.lost.is_set()
            connection.close()

    async def test_that_answers_too_late_loses_the_connection(self):
        async with pretending(replying(GOOD_INFO, b"")) as url:
            connection = await enter(url)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connection.call("PING")
            assert connection.lost.is_set()
            with pytest.raises(RedisFault):
                await connection.call("PING")

    async def test_that_is_late_with_one_reply_fails_all_waiting_commands(self):
        async with pretending(replying(GOOD_INFO, b"")) as url:
            connection = await enter(url)
            patient = [asyncio.create_task(connection.call("PING", timeout=3600)) for _ in range(3)]
            unlimited = asyncio.create_task(connection.call("PING"))
            with pytest.raises(RedisFault):
                await connection.call("PING", timeout=0.05)
            async with asyncio.timeout(2):
                await connection.lost.wait()
            found = await asyncio.gather(*patient, unlimited, return_exceptions=True)
            assert all(isinstance(fault, RedisFault) for fault in found)

    async def test_that_is_a_little_late_keeps_the_connection(self, own_valkey):
        async with network_to(own_valkey.port) as network:
            connection = await enter(f"redis://127.0.0.1:{network.port}/0")
            network.hold_answers()
            with pytest.raises(RedisFault, match="late"):
                await connection.call("ECHO", "one", timeout=0.02)
            assert connection.is_late
            second = asyncio.create_task(connection.call("ECHO", "two"))
            network.release()
            assert await second == b"two"
            assert await connection.call("ECHO", "three") == b"three"
            connection.close()

    async def test_has_the_whole_timeout_for_each_command(self):
        answer = replying(GOOD_INFO, b"+PONG\r\n")
        async with pretending(lambda words: b"" if words == b"HANG" else answer(words)) as url:
            connection = await enter(url)
            loop = asyncio.get_running_loop()
            began = loop.time()
            while loop.time() < began + 0.3:
                assert await connection.call("PING", timeout=0.2) == b"PONG"
            sent = loop.time()
            with pytest.raises(RedisFault):
                await connection.call("HANG", timeout=0.2)
            # Event loops count whole milliseconds.
            assert 0.198 < loop.time() - sent < 0.2 + LATE

    async def test_that_reads_nothing_is_not_sent_commands_for_ever(self):
        async with pretending(replying(GOOD_INFO, b"")) as url:
            connection = await enter(url)
            calls = [asyncio.create_task(connection.call("PING")) for _ in range(5000)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(fault, RedisFault) for fault in found)


class TestInfo:
    @given(st.binary())
    def test_of_any_bytes_is_read_without_a_failure(self, info):
        assert all(isinstance(name, str) for name in parse_info(info))

    @given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text("ab:1 .")))
    def test_is_parsed_into_its_fields(self, info):
        text = "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in info.items())
        assert parse_info(text.encode()) == info


class TestLockedOutShop:
    async def test_runs_without_its_cache(self, database_url, own_valkey):
        async with open_cached_shop(database_url, own_valkey.url) as (cached_shop, game):
            own_valkey.execute("ACL", "SETUSER", "admin", "on", ">admin", "~*", "+@all")
            own_valkey.execute("ACL", "SETUSER", "default", "-@all")
            assert await cached_shop.price(game) == "10.00"
            await cached_shop.set_price(game, "11.00")
            assert await cached_shop.price(game) == "11.00"
