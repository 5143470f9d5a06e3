"""Hashes of passwords, and the queue of the requests that wait for them."""

import asyncio
import os
import statistics
import threading
import time
from collections.abc import AsyncIterator, Awaitable

import bcrypt
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyshop.accounts.passwords import (
    PasswordPool,
    PasswordsBusy,
    PasswordTooLong,
    TooManyPasswords,
    count_cores,
)

pytestmark = pytest.mark.timed

CHEAP = 4
# Cheap enough for some hundred hashes in a test.
MIDDLING = 7
ALMOST_HASHES = st.from_regex(r"\A\$2[abxy]\$0[3-6]\$[./0-9A-Za-z]{52,54}\Z")


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[PasswordPool]:
    pool = PasswordPool(cost=CHEAP)
    yield pool
    pool.close()


def make_hash(password: bytes, *, cost: int = CHEAP, prefix: str = "$2b$") -> str:
    hashed = bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()
    return prefix + hashed.removeprefix("$2b$")


async def seconds_of(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def cpu_seconds_of(work: Awaitable[object]) -> float:
    """Return the processor time of the work, in all threads of this process."""
    began = time.process_time()
    await work
    return time.process_time() - began


class TestPassword:
    async def test_matches_its_own_hash_and_no_other(self, pool):
        hashed = await pool.hash("Correct Horse 1")

        assert await pool.verify("Correct Horse 1", hashed)
        assert not await pool.verify("Correct Horse 2", hashed)
        assert not await pool.verify("", hashed)
        assert await pool.hash("Correct Horse 1") != hashed

    async def test_may_be_in_any_script(self, pool):
        for password in ("Пароль Ü 1", "🔑" * 18, "a\0b", "\ud800"):
            hashed = await pool.hash(password)
            assert await pool.verify(password, hashed)
            assert not await pool.verify(password[:1], hashed) or len(password) == 1

    async def test_costs_as_much_as_was_ordered(self, pool):
        assert (await pool.hash("x")).startswith("$2b$04$")
        default = PasswordPool()
        assert (await default.hash("x")).startswith("$2b$12$")
        default.close()

    @pytest.mark.parametrize(
        ("prefix", "cost"),
        [("$2a$", 4), ("$2b$", 5), ("$2y$", 5), ("$2a$", 10), ("$2y$", 10), ("$2b$", 12)],
    )
    async def test_matches_hashes_of_earlier_backends(self, prefix, cost):
        pool, hashed = PasswordPool(cost=6), make_hash(b"Legacy 1", cost=cost, prefix=prefix)

        assert await pool.verify("Legacy 1", hashed)
        assert not await pool.verify("Legacy 2", hashed)
        assert pool.is_outdated(hashed) == (cost < 6)
        pool.close()

    async def test_matches_nothing_where_there_is_no_hash(self, pool):
        assert not await pool.verify("anything", None)
        assert not await pool.verify("", None)

    @pytest.mark.parametrize(
        "stored",
        [
            "",
            "plain text",
            "$2b$",
            "$2b$04$",
            "$2b$04$" + "z" * 53,  # an impossible salt
            "$2b$04$" + "a" * 52,
            "$2b$04$" + "a" * 54,
            "$2b$03$" + "a" * 53,
            "$2b$31$" + "a" * 53,  # would take days
            "$2b$99$" + "a" * 53,
            "$2b$-4$" + "a" * 53,
            "$2x$04$" + "a" * 53,
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
            "$2b$04$" + "é" * 53,
            "$2b$٠٤$" + "a" * 53,
            "\ud800",
            "$2b$04$" + "a" * 52 + "\n",
            "!",
        ],
    )
    async def test_is_wrong_for_what_is_no_hash(self, pool, stored):
        assert not await pool.verify("anything", stored)
        assert not await pool.verify(stored, stored)
        assert pool.is_outdated(stored)

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(password=st.text(), stored=st.text() | ALMOST_HASHES)
    async def test_is_wrong_for_any_text_and_nothing_fails(self, pool, password, stored):
        assert not await pool.verify(password, stored)


class TestLongPassword:
    async def test_of_72_bytes_is_hashed_and_of_73_refused(self, pool):
        assert await pool.verify("x" * 72, await pool.hash("x" * 72))
        for password in ("x" * 73, "ü" * 37, "x" * 1_000_000):
            with pytest.raises(PasswordTooLong, match="at most 72 bytes"):
                await pool.hash(password)

    async def test_fits_the_hash_that_an_earlier_backend_made_of_its_beginning(self, pool):
        stored = make_hash(("ü" * 50).encode()[:72])

        assert await pool.verify("ü" * 50, stored)
        assert await pool.verify("ü" * 36, stored)
        assert not await pool.verify("ü" * 35, stored)


class TestQueue:
    async def test_that_is_full_refuses_at_once_and_serves_those_in_it(self):
        pool = PasswordPool(threads=2, queue=10, cost=MIDDLING)

        asked = [asyncio.create_task(pool.hash(f"Password {n}", client=f"{n}")) for n in range(30)]
        answers = await asyncio.gather(*asked, return_exceptions=True)

        assert sum(isinstance(answer, str) for answer in answers) == 12
        assert sum(isinstance(answer, PasswordsBusy) for answer in answers) == 18
        assert await pool.verify("Password 0", str(answers[0]))
        pool.close()

    async def test_refuses_dummies_as_well(self):
        pool = PasswordPool(threads=1, queue=2, cost=MIDDLING)
        await pool.verify("", None)
        waiting = [asyncio.create_task(pool.verify("", None, client=f"{n}")) for n in range(3)]
        await asyncio.sleep(0)

        with pytest.raises(PasswordsBusy):
            await pool.dummy_verify("wrong")

        await asyncio.gather(*waiting)
        await pool.dummy_verify("wrong")
        pool.close()

    async def test_has_room_again_after_waiting_clients_gave_up(self):
        pool = PasswordPool(threads=1, queue=3, cost=MIDDLING)
        waiting = [asyncio.create_task(pool.hash("x", client=f"{n}")) for n in range(4)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

        async with asyncio.timeout(10):
            # The thread finishes its password; waiting requests leave at once.
            assert await asyncio.gather(*(pool.hash("y", client=f"{n}") for n in range(4, 7)))
        pool.close()


class TestClient:
    async def test_with_fifty_attempts_at_once_is_served(self):
        pool = PasswordPool(threads=1, cost=CHEAP)

        assert len(await asyncio.gather(*(pool.hash("x", client="one") for _ in range(50)))) == 50
        pool.close()

    async def test_fills_a_quarter_of_the_queue_and_leaves_the_rest_to_others(self):
        pool = PasswordPool(threads=1, cost=MIDDLING)
        await pool.verify("", None)

        greedy = [asyncio.create_task(pool.hash("x", client="greedy")) for _ in range(140)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyPasswords) as refused:
            await pool.dummy_verify("x", client="greedy")
        assert not await pool.verify("x", None, client="other")
        answers = await asyncio.gather(*greedy, return_exceptions=True)

        assert sum(isinstance(answer, str) for answer in answers) == 65
        assert sum(isinstance(answer, TooManyPasswords) for answer in answers) == 75
        assert 0 < refused.value.retry_after <= 10
        # The queue has room again.
        assert await pool.hash("x", client="greedy")
        pool.close()


class TestThreads:
    @pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs sched_getaffinity")
    def test_equal_the_cores_that_this_process_may_use(self):
        assert count_cores() == len(os.sched_getaffinity(0))

    async def test_leave_the_event_loop_free(self):
        pool = PasswordPool(cost=10)
        lags: list[float] = []
        hashing = asyncio.gather(*(pool.hash("x") for _ in range(20)))

        while not hashing.done():
            lags.append(await seconds_of(asyncio.sleep(0.005)) - 0.005)

        await hashing
        assert len(lags) > 20
        assert statistics.median(lags) < 0.05
        assert max(lags) < 0.5
        pool.close()

    async def test_do_not_block_the_event_loop(self):
        before = set(threading.enumerate())
        pool = PasswordPool(threads=1, cost=MIDDLING)
        await pool.hash("x")

        new = set(threading.enumerate()) - before
        (thread,) = [one for one in new if one.name.startswith("passwords")]
        assert thread.native_id is not None
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id) > 0
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == 0
        pool.close()


class TestRefusalTime:
    async def test_is_the_same_whatever_was_stored(self):
        pool = PasswordPool(threads=1, cost=8)
        stored = {
            "none": None,
            "present": make_hash(b"Password 1", cost=8),
            "cheap": make_hash(b"Password 1", cost=5),
            "cheaper by one": make_hash(b"Password 1", cost=7),
            "no hash": "plain text",
            "impossible salt": "$2b$08$" + "z" * 53,
        }
        cpu: dict[str, list[float]] = {name: [] for name in stored}

        # In turns, so that other work on the machine affects all alike.
        for _ in range(9):
            for name, hashed in stored.items():
                cpu[name].append(await cpu_seconds_of(pool.verify("wrong", hashed)))

        least = {name: min(taken) for name, taken in cpu.items()}
        assert max(least.values()) < 1.3 * min(least.values()), least
        pool.close()

    async def test_is_matched_by_a_dummy(self):
        pool = PasswordPool(threads=1, cost=8)
        real = [await seconds_of(pool.verify("wrong", None)) for _ in range(15)]

        pretended = [await seconds_of(pool.dummy_verify("wrong")) for _ in range(15)]

        assert 0.4 < statistics.median(pretended) / statistics.median(real) < 2.5
        pool.close()

    async def test_is_matched_by_a_dummy_behind_a_queue(self):
        pool = PasswordPool(threads=1, cost=8)
        for _ in range(3):
            await pool.verify("wrong", None)
        waiting = [asyncio.create_task(pool.verify("wrong", None)) for _ in range(12)]
        await asyncio.sleep(0)

        real, pretended = await asyncio.gather(
            seconds_of(pool.verify("wrong", None)), seconds_of(pool.dummy_verify("wrong"))
        )

        await asyncio.gather(*waiting)
        assert 0.3 < pretended / real < 3
        pool.close()

    async def test_uses_no_processor_time_for_a_dummy(self):
        pool = PasswordPool(threads=1, cost=9)
        real = await cpu_seconds_of(pool.verify("wrong", None))

        pretended = await cpu_seconds_of(
            asyncio.gather(*(pool.dummy_verify("wrong") for _ in range(20)))
        )

        assert pretended < 4 * real
        pool.close()

    async def test_is_computed_where_none_has_been_measured_yet(self):
        pool = PasswordPool(threads=1, cost=9)
        first = await cpu_seconds_of(pool.dummy_verify("wrong"))

        assert first > 0.5 * await cpu_seconds_of(pool.verify("", None))
        pool.close()
