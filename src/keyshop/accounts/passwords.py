"""
A pool of threads that hashes and verifies passwords beside the event loop.

bcrypt is slow on purpose. It runs in a few threads of low priority, behind a bounded queue. Every
wrong password takes the same time, whatever hash is stored.

"é" is one character (composed, NFC) or two (decomposed, NFD), depending on keyboard and system. New
hashes are of the composed form. Hashes of earlier backends are of the form that was typed, so up to
three forms of a password are checked; one that is only ASCII has one form.
"""

import asyncio
import os
import re
import secrets
import sys
import threading
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import bcrypt

from keyshop.kit.client_limits import find_site
from keyshop.kit.errors import Invalid, TooMany, Unavailable

MAX_PASSWORD_BYTES: Final = 72
"""bcrypt ignores the bytes of a password beyond these."""

_MAX_NORMALISED: Final = 1024  # characters; time grows with the square of the combining ones

_MAX_COST: Final = 16  # a hash of this cost takes seconds; a higher one would block its thread
_MIN_COST: Final = 4  # bcrypt's own
_NICENESS: Final = 5  # at 10, a full sync leaves the threads a tenth of a core
_MEASURED: Final = 32  # of the latest passwords, for the time of a dummy verification
_RETRY_DELAY: Final = 5.0  # seconds

_Result = TypeVar("_Result")

# The last letter of the salt encodes two bits only.
_read_hash: Final = re.compile(
    r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
).fullmatch


class PasswordsBusy(Unavailable):
    """The queue of passwords is full."""

    def __init__(self) -> None:
        super().__init__("Too many people are signing in at the moment. Please try again.")


class TooManyPasswords(TooMany):
    """One client's passwords fill their share of the queue."""

    def __init__(self) -> None:
        super().__init__(
            "Too many attempts at once. Please wait a moment and try again.",
            retry_after=_RETRY_DELAY,
        )


class PasswordTooLong(Invalid):
    """The password is longer than 72 bytes, and bcrypt would ignore the rest."""

    def __init__(self) -> None:
        super().__init__(f"A password may have at most {MAX_PASSWORD_BYTES} bytes")


class PasswordPool:
    def __init__(self, threads: int | None = None, queue: int = 256, cost: int = 12) -> None:
        """
        Prepare the pool; `threads` defaults to the cores that this process may use.

        `queue` checks may wait besides those in the threads, a quarter of them of one client and
        half of them of one IPv6 site. A password that is not only ASCII takes up to three of them.
        New hashes have this `cost`.
        """
        self._threads = threads or count_cores()
        self._max_pending = self._threads + queue
        self._max_pending_of_client = self._threads + queue // 4
        self._max_pending_of_site = self._threads + queue // 2
        self._cost = cost
        self._executor = ThreadPoolExecutor(
            self._threads, thread_name_prefix="passwords", initializer=_lower_priority
        )
        self._lock = threading.Lock()
        self._jobs = 0
        self._pending = 0  # checks of these jobs
        self._pending_of: Counter[str] = Counter()
        self._seconds: deque[float] = deque(maxlen=_MEASURED)

    async def hash(self, password: str, *, client: str = "") -> str:
        """
        Return a new hash of the password's composed form; an empty `client` is the shop itself.

        Raises:
            PasswordTooLong: the password has more than 72 bytes.
            PasswordsBusy: the queue is full.
            TooManyPasswords: this client's share of the queue is full.
        """
        clear = _bytes_of(composed(password))
        if len(clear) > MAX_PASSWORD_BYTES:
            raise PasswordTooLong
        return await self._run(lambda: self._hash(clear), client, checks=1)

    async def verify(self, password: str, hashed: str | None, *, client: str = "") -> bool:
        """
        Test whether the hash is of any form of this password.

        Raises as `find_form` does.
        """
        return await self.find_form(password, hashed, client=client) is not None

    async def find_form(self, password: str, hashed: str | None, *, client: str = "") -> str | None:
        """
        Return the form of the password that the hash is of; None: the password is wrong.

        Composed, as typed and decomposed are checked in this order, where they differ. Without a
        valid hash, every password is wrong. Bytes after the 72nd of each form are ignored, as other
        programs that set passwords have ignored them.

        Raises:
            PasswordsBusy: the queue is full.
            TooManyPasswords: this client's share of the queue is full.
        """
        forms = _forms_of(password)
        return await self._run(lambda: self._find_form(forms, hashed), client, checks=len(forms))

    async def dummy_verify(self, password: str, *, client: str = "") -> None:
        """
        Wait as long as this password would take now if it was wrong, without computing anything.

        Raises:
            PasswordsBusy: the queue is full.
            TooManyPasswords: this client's share of the queue is full.
        """
        with self._lock:
            self._check_room(client)
            ahead = 0 if self._jobs < self._threads else self._pending - self._threads + 1
            seconds = tuple(self._seconds)
        if not seconds:
            await self.verify(password, None, client=client)
            return
        turns = ahead / self._threads
        own = sum(secrets.choice(seconds) for _ in _forms_of(password))
        await asyncio.sleep(turns * sum(seconds) / len(seconds) + own)

    def is_outdated(self, hashed: str) -> bool:
        """Test whether the hash is cheaper than a new one would be."""
        cost = _cost_of(hashed)
        return cost is None or cost < self._cost

    def close(self) -> None:
        """Let the threads finish their password, and drop those that wait."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], _Result], client: str, *, checks: int) -> _Result:
        with self._lock:
            self._check_room(client)
            future = self._executor.submit(work)
            self._jobs += 1
            self._pending += checks
            self._pending_of.update(dict.fromkeys(_shares_of(client), checks))
        # Not when the caller is cancelled: the thread stays busy until it is done.
        future.add_done_callback(partial(self._end, client, checks))
        return await asyncio.wrap_future(future)

    def _check_room(self, client: str) -> None:
        if self._pending >= self._max_pending:
            raise PasswordsBusy
        limits = (self._max_pending_of_client, self._max_pending_of_site)
        for share, limit in zip(_shares_of(client), limits, strict=False):
            if self._pending_of[share] >= limit:
                raise TooManyPasswords

    def _end(self, client: str, checks: int, _: "Future[_Result]") -> None:
        with self._lock:
            self._jobs -= 1
            self._pending -= checks
            for share in _shares_of(client):
                self._pending_of[share] -= checks
                if not self._pending_of[share]:
                    # Or the counter would keep every client that was ever here.
                    del self._pending_of[share]

    # The next four run in the threads.

    def _hash(self, clear: bytes) -> str:
        started = time.perf_counter()
        hashed = bcrypt.hashpw(clear, bcrypt.gensalt(self._cost)).decode()
        self._measure(time.perf_counter() - started)
        return hashed

    def _find_form(self, forms: dict[bytes, str], hashed: str | None) -> str | None:
        for clear, form in forms.items():
            if self._verify(clear, hashed):
                return form
        return None

    def _verify(self, clear: bytes, hashed: str | None) -> bool:
        started = time.perf_counter()
        cost = None if hashed is None else _cost_of(hashed)
        if hashed is not None and cost is not None and bcrypt.checkpw(clear, hashed.encode()):
            return True
        # Each cost takes twice the time of the one below: after a hash of cost 10, dummies of 10 and
        # 11 make up what is missing to cost 12.
        for missing in [self._cost] if cost is None else range(cost, self._cost):
            bcrypt.checkpw(clear, _DUMMY.format(missing).encode())
        self._measure(time.perf_counter() - started)
        return False

    def _measure(self, seconds: float) -> None:
        with self._lock:
            self._seconds.append(seconds)


def composed(password: str) -> str:
    """
    Return the form of the password that new hashes are of (NFC).

    Characters after the 1,024th are left out; what remains is still too long for a hash.
    """
    return unicodedata.normalize("NFC", password[:_MAX_NORMALISED])


def count_cores() -> int:
    """Return how many cores this process may use, perhaps fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# No known password has these hashes, and the result of the comparison is not used.
_DUMMY: Final = "$2b${:02}$" + "." * 53


def _cost_of(hashed: str) -> int | None:
    """Return the cost of a hash; None: it is not a bcrypt hash, or its cost is out of range."""
    found = _read_hash(hashed)
    cost = int(found[1]) if found else 0
    return cost if _MIN_COST <= cost <= _MAX_COST else None


def _bytes_of(password: str) -> bytes:
    # Half of a surrogate pair makes a password wrong, and must not raise.
    return password.encode(errors="surrogatepass")


def _forms_of(password: str) -> dict[bytes, str]:
    """Return the forms to be checked by the bytes that bcrypt sees, the likeliest first."""
    typed = password[:_MAX_NORMALISED]
    forms: dict[bytes, str] = {}
    for form in (composed(typed), typed, unicodedata.normalize("NFD", typed)):
        forms.setdefault(_bytes_of(form)[:MAX_PASSWORD_BYTES], form)
    return forms


def _shares_of(client: str) -> list[str]:
    """Return the client and, if it has one, its site."""
    site = find_site(client)
    return [client] if site is None else [client, site]


def _lower_priority() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
