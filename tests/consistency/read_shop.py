"""
A process of readers: raw sockets to all API processes, with one request at a time on each.

Its only argument is a `ShopReaderConfig` in JSON. It prints its number of answers once a second, and
runs until it is terminated.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from random import Random
from time import monotonic_ns
from typing import Final, cast

import msgspec
import uvloop

from keyshop.entrypoints.cli.parent import exit_with_parent
from tests.consistency.answers import observe
from tests.consistency.extract import versions_in
from tests.consistency.history import SECOND
from tests.consistency.keys import ABSENT, KEYS
from tests.consistency.known_answers import KnownAnswer, KnownAnswers, ask_if_unchanged
from tests.consistency.records import Answer, ReadLog
from tests.consistency.requests import (
    PERSONAL_SHARE,
    PersonalRequests,
    Request,
    is_personal,
    make_round,
)
from tests.consistency.sign_ins import SignIns

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_TIMEOUT: Final = 15 * SECOND
_CONNECT_INTERVAL: Final = 0.05  # seconds


class ShopReaderConfig(msgspec.Struct, frozen=True):
    """Which API processes to read, over how many connections each, and where to write the notes."""

    apis: list[tuple[str, int]]
    connections: int
    seed: int
    log: str
    secret: str | None = None
    """The shop's secret for access tokens; None: personal data are not read."""


class _Reader(asyncio.Protocol):
    """One connection, which is made again when it breaks."""

    def __init__(
        self,
        api: int,
        address: tuple[str, int],
        requests: Iterator[Request],
        known: KnownAnswers,
        sign_ins: SignIns | None,
        log: ReadLog,
    ) -> None:
        self._api = api
        self._address = address
        self._requests = requests
        self._known = known
        self._sign_ins = sign_ins
        self._log = log
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._missing = 0
        self._pending: Request | None = None
        self._named: KnownAnswer | None = None  # whose entity tag the pending request names
        self._invoked = 0
        self.answers = 0

    async def keep_reading(self) -> None:
        """Connect, and reconnect when the connection breaks."""
        loop = asyncio.get_running_loop()
        while True:
            if self._transport is None:
                invoked = monotonic_ns()
                try:
                    await loop.create_connection(lambda: self, *self._address)
                except OSError:
                    self._note_failure(Answer.REFUSED, invoked, 0)
            elif self._pending is not None and monotonic_ns() - self._invoked > _TIMEOUT:
                self._fail(Answer.TIMED_OUT)
                self._transport.abort()
            await asyncio.sleep(_CONNECT_INTERVAL)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of this class, but do not inherit from it.
        self._transport = cast("asyncio.Transport", transport)
        self._send_request()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._fail(Answer.LOST)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._missing:
            self._missing = _length_of(self._buffer)
        if self._missing and len(self._buffer) >= self._missing:
            returned = monotonic_ns()
            answer = bytes(self._buffer)
            self._buffer.clear()
            self._missing = 0
            self._note(answer, returned)
            self._send_request()

    def _send_request(self) -> None:
        if self._transport is not None:
            request = self._pending = next(self._requests)
            named = self._named = self._known.choose(request)
            text = request.text if named is None else ask_if_unchanged(request, named)
            self._invoked = monotonic_ns()
            self._transport.write(text)

    def _note(self, answer: bytes, returned: int) -> None:
        request, self._pending = self._pending, None
        if request is None:
            return
        self.answers += 1
        status = int(answer[9:12])
        if status == 304 and self._named is not None:
            # The shop says that the known answer is the current one.
            status, answer = 200, self._named.answer
        elif status == 200:
            self._known.remember(request, answer)
        if request.version and status in {200, 401}:
            self._note_access(request, returned, is_good=status == 200)
        elif status == 200 and is_personal(request.path):
            self._note_personal(request, answer, returned)
        elif status == 200:
            self._note_shown(request, answer, returned)
        elif status == 404 and request.key >= 0:
            self._add(Answer.SHOWN, request.path, 0, request.key, ABSENT, returned)
        else:
            failed = Answer.UNAVAILABLE if status == 503 else Answer.WRONG_STATUS
            self._add(failed, request.path, 0, request.key, status, returned)

    def _note_access(self, request: Request, returned: int, *, is_good: bool) -> None:
        if not is_good:
            # It has ended or not begun yet; the next request tries the next version.
            self._add(Answer.SHOWN, request.path, 0, -1, 401, returned)
            return
        assert self._sign_ins is not None
        self._sign_ins.remember(KEYS[request.key].owner, request.version)
        self._add(Answer.SHOWN, request.path, 0, request.key, request.version, returned)

    def _note_personal(self, request: Request, answer: bytes, returned: int) -> None:
        body = answer[answer.index(_END) + len(_END) :]
        for place, (shown, key, version) in enumerate(observe(KEYS[request.key], body)):
            self._add(shown, request.path, place, key, version, returned)

    def _note_shown(self, request: Request, answer: bytes, returned: int) -> None:
        place = 0
        for key, version in versions_in(answer):
            self._add(Answer.SHOWN, request.path, min(place, 255), key, version, returned)
            place += 1
        if not place:
            # A list may contain no watched game; the answer for one game must contain it.
            answered = Answer.SHOWN if request.key < 0 else Answer.WRONG_STATUS
            self._add(answered, request.path, 0, request.key, 200, returned)

    def _fail(self, how: Answer) -> None:
        request, self._pending = self._pending, None
        self._buffer.clear()
        self._missing = 0
        if request is not None:
            self._note_failure(how, self._invoked, request.path, key=request.key)

    def _note_failure(self, how: Answer, invoked: int, path: int, *, key: int = -1) -> None:
        self._log.add(how, path, self._api, 0, key, 0, invoked, monotonic_ns())

    def _add(
        self, answer: Answer, path: int, place: int, key: int, version: int, returned: int
    ) -> None:
        self._log.add(
            answer, path, self._api, place, key, version, self._invoked, returned
        )  # fmt: skip


def _length_of(buffer: bytearray) -> int:
    """Return the length of the whole answer in bytes; 0 while its head is incomplete."""
    end = buffer.find(_END)
    if end < 0:
        return 0
    if buffer[9:12] == b"304":
        return end + len(_END)
    head = bytes(buffer[:end]).lower()
    begin = head.index(_LENGTH) + len(_LENGTH)
    return end + len(_END) + int(head[begin:].split(b"\r\n", 1)[0])


def _mix(dice: Random, sign_ins: SignIns | None, known: KnownAnswers) -> Iterator[Request]:
    """Yield requests without end; without valid tokens, for games alone."""
    games = cycle([request for _ in range(8) for request in make_round(dice)])
    if sign_ins is None:
        return games
    persons = PersonalRequests(dice, sign_ins, known.orders)
    return (persons.choose() if dice.random() < PERSONAL_SHARE else request for request in games)


async def _read(config: ShopReaderConfig) -> None:
    dice = Random(config.seed)
    sign_ins = SignIns(config.secret) if config.secret else None
    known = KnownAnswers(dice)
    requests = _mix(dice, sign_ins, known)
    log = ReadLog(Path(config.log))
    readers = [
        _Reader(place, address, requests, known, sign_ins, log)
        for place, address in enumerate(config.apis)
        for _ in range(config.connections)
    ]
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    work = [asyncio.create_task(reader.keep_reading()) for reader in readers]
    while not stopped.is_set():
        sys.stdout.write(f"{sum(reader.answers for reader in readers)}\n")
        sys.stdout.flush()
        try:
            await asyncio.wait_for(stopped.wait(), 1)
        except TimeoutError:
            continue
    for task in work:
        task.cancel()
    log.close()


def main() -> None:
    """Read as the configuration says."""
    exit_with_parent(os.getppid())
    uvloop.run(_read(msgspec.json.decode(sys.argv[1], type=ShopReaderConfig)))


if __name__ == "__main__":
    main()
