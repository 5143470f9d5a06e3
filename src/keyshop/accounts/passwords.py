"""
Passwords: made into hashes, and compared with them, without the event loop waiting.

bcrypt is meant to be slow. It runs in a few threads that give way to the event loop, behind a queue
that has an end; and every answer that is a no takes the same time, whatever was stored.
"""

import asyncio
import os
import re
import secrets
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import bcrypt

from keyshop.kit.errors import Invalid, TooMany, Unavailable

LONGEST: Final = 72
"""Bytes of a password that bcrypt looks at."""

_DEAREST: Final = (
    16  # the cost of a stored hash that takes seconds; beyond it nobody's answer comes
)
_CHEAPEST: Final = 4  # as bcrypt says
_POLITENESS: Final = 5  # the threads' niceness; at 10 a full sync leaves them a tenth of a core
_REMEMBERED: Final = 32
_OWN_WAIT: Final = 5.0  # seconds until a client limit_key passwords wait should ask again

_Result = TypeVar("_Result")

# The salt's last letter stands for two bits alone.
_read_hash: Final = re.compile(
    r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
).fullmatch


class PasswordsBusy(Unavailable):
    """More passwords wait than can be looked at in time."""

    def __init__(self) -> None:
        super().__init__("Too many people are signing in at the moment. Please try again.")


class TooManyPasswords(TooMany):
    """So many passwords of one client wait that others would find no place."""

    def __init__(self) -> None:
        super().__init__(
            "Too many attempts at once. Please wait a moment and try again.", retry_after=_OWN_WAIT
        )


class PasswordTooLong(Invalid):
    """The password is longer than what bcrypt looks at; its end would count for nothing."""

    def __init__(self) -> None:
        super().__init__(f"A password may have at most {LONGEST} bytes")


class PasswordPool:
    """A few threads that hash passwords, and the queue before them."""

    def __init__(self, threads: int | None = None, queue: int = 256, cost: int = 12) -> None:
        """
        Prepare the pool; without `threads`, it has as many as this process has cores.

        `queue` is how many may wait besides those being looked at, a quarter of them one client's;
        `cost` is that of new hashes.
        """
        self._threads = threads or count_cores()
        self._most = self._threads + queue
        self._most_of_one = self._threads + queue // 4
        self._cost = cost
        self._executor = ThreadPoolExecutor(
            self._threads, thread_name_prefix="passwords", initializer=_give_way
        )
        self._lock = threading.Lock()
        self._pending = 0
        self._pending_of: Counter[str] = Counter()
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    async def hash(self, password: str, *, limit_key: str = "") -> str:
        """
        Return a new hash of the password; `limit_key` is the client, and nobody the shop itself.

        Raises:
            PasswordTooLong: it has more than 72 bytes.
            PasswordsBusy: the queue is full.
            TooManyPasswords: this client has filled its quarter of it.
        """
        clear = _bytes_of(password)
        if len(clear) > LONGEST:
            raise PasswordTooLong
        return await self._run(lambda: self._hash(clear), limit_key)

    async def verify(self, password: str, hashed: str | None, *, limit_key: str = "") -> bool:
        """
        Test whether the password is the one of this hash; without a hash it is wrong.

        What follows the 72nd byte does not count, as it never did. A hash that is none is wrong.

        Raises:
            PasswordsBusy: the queue is full.
            TooManyPasswords: this client has filled its quarter of it.
        """
        clear = _bytes_of(password)[:LONGEST]
        return await self._run(lambda: self._verify(clear, hashed), limit_key)

    async def dummy_verify(self, *, limit_key: str = "") -> None:
        """
        Wait as long as a wrong password would take at this moment, and look at none.

        Raises:
            PasswordsBusy: the queue is full.
            TooManyPasswords: this client has filled its quarter of it.
        """
        with self._lock:
            self._find_room(limit_key)
            pending, seconds = self._pending, tuple(self._seconds)
        if not seconds:
            await self.verify("", None, limit_key=limit_key)
            return
        turns = max(pending - self._threads + 1, 0) / self._threads
        await asyncio.sleep(turns * sum(seconds) / len(seconds) + secrets.choice(seconds))

    def is_outdated(self, hashed: str) -> bool:
        """Test whether the hash is cheaper to guess at than one that would be made now."""
        cost = _cost_of(hashed)
        return cost is None or cost < self._cost

    def close(self) -> None:
        """Let those being looked at end, and drop those that wait."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], _Result], limit_key: str) -> _Result:
        with self._lock:
            self._find_room(limit_key)
            future = self._executor.submit(work)
            self._pending += 1
            self._pending_of[limit_key] += 1
        # Not when the caller stops waiting: the thread is busy until it is done.
        future.add_done_callback(partial(self._end, limit_key))
        return await asyncio.wrap_future(future)

    def _find_room(self, limit_key: str) -> None:
        if self._pending >= self._most:
            raise PasswordsBusy
        if self._pending_of[limit_key] >= self._most_of_one:
            raise TooManyPasswords

    def _end(self, limit_key: str, _: "Future[_Result]") -> None:
        with self._lock:
            self._pending -= 1
            self._pending_of[limit_key] -= 1
            if not self._pending_of[limit_key]:
                # Only who waits is remembered.
                del self._pending_of[limit_key]

    # In the threads.

    def _hash(self, clear: bytes) -> str:
        began = time.perf_counter()
        hashed = bcrypt.hashpw(clear, bcrypt.gensalt(self._cost)).decode()
        self._took(time.perf_counter() - began)
        return hashed

    def _verify(self, clear: bytes, hashed: str | None) -> bool:
        began = time.perf_counter()
        cost = None if hashed is None else _cost_of(hashed)
        if hashed is not None and cost is not None and bcrypt.checkpw(clear, hashed.encode()):
            return True
        # A hash of cost 10 has taken a quarter of the time of one of cost 12; 10 and 11 the rest.
        for missing in [self._cost] if cost is None else range(cost, self._cost):
            bcrypt.checkpw(clear, _DUMMY.format(missing).encode())
        self._took(time.perf_counter() - began)
        return False

    def _took(self, seconds: float) -> None:
        with self._lock:
            self._seconds.append(seconds)


def count_cores() -> int:
    """Return how many cores this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Nobody knows a password of these, and nobody asks whether it was right.
_DUMMY: Final = "$2b${:02}$" + "." * 53


def _cost_of(hashed: str) -> int | None:
    """Return the cost of a hash; None when it is no hash of bcrypt's, or too dear to look at."""
    found = _read_hash(hashed)
    cost = int(found[1]) if found else 0
    return cost if _CHEAPEST <= cost <= _DEAREST else None


def _bytes_of(password: str) -> bytes:
    # Half of a surrogate pair is in nobody's password, but no error either.
    return password.encode(errors="surrogatepass")


def _give_way() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITENESS)
