"""
A process of readers: raw sockets, one request at a time on each, all processes of the API in turn.

Its only argument is an order in JSON. It tells once a second how many answers it has, and ends when
it is told to.
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
_AGAIN: Final = 0.05  # seconds between attempts to connect


class Order(msgspec.Struct, frozen=True):
    """Read from these processes of the API, over so many connections to each."""

    apis: list[tuple[str, int]]
    connections: int
    seed: int
    log: str
    secret: str | None = None
    """What the shop signs access tokens with; None: nothing is asked of what is one person's."""


class _Reader(asyncio.Protocol):
    """One connection; it is made again whenever it breaks."""

    def __init__(
        self,
        api: int,
        address: tuple[str, int],
        requests: Iterator[Request],
        sign_ins: SignIns | None,
        log: ReadLog,
    ) -> None:
        self._api = api
        self._address = address
        self._requests = requests
        self._sign_ins = sign_ins
        self._log = log
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._missing = 0
        self._asked: Request | None = None
        self._invoked = 0
        self.answers = 0

    async def keep_reading(self) -> None:
        """Connect, and again when there is no connection."""
        loop = asyncio.get_running_loop()
        while True:
            if self._transport is None:
                invoked = monotonic_ns()
                try:
                    await loop.create_connection(lambda: self, *self._address)
                except OSError:
                    self._note_failure(Answer.REFUSED, invoked, 0)
            elif self._asked is not None and monotonic_ns() - self._invoked > _TIMEOUT:
                self._fail(Answer.TIMED_OUT)
                self._transport.abort()
            await asyncio.sleep(_AGAIN)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no such class, they only have its methods.
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

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
            self._ask()

    def _ask(self) -> None:
        if self._transport is not None:
            self._asked = next(self._requests)
            self._invoked = monotonic_ns()
            self._transport.write(self._asked.text)

    def _note(self, answer: bytes, returned: int) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        self.answers += 1
        status = int(answer[9:12])
        if asked.version and status in {200, 401}:
            self._note_access(asked, returned, is_good=status == 200)
        elif status == 200 and is_personal(asked.path):
            self._note_personal(asked, answer, returned)
        elif status == 200:
            self._note_shown(asked, answer, returned)
        elif status == 404 and asked.key >= 0:
            self._add(Answer.SHOWN, asked.path, 0, asked.key, ABSENT, returned)
        else:
            failed = Answer.UNAVAILABLE if status == 503 else Answer.WRONG_STATUS
            self._add(failed, asked.path, 0, asked.key, status, returned)

    def _note_access(self, asked: Request, returned: int, *, is_good: bool) -> None:
        if not is_good:
            # It has ended, or has not begun; which of them is the next that is tried.
            self._add(Answer.SHOWN, asked.path, 0, -1, 401, returned)
            return
        assert self._sign_ins is not None
        self._sign_ins.remember(KEYS[asked.key].owner, asked.version)
        self._add(Answer.SHOWN, asked.path, 0, asked.key, asked.version, returned)

    def _note_personal(self, asked: Request, answer: bytes, returned: int) -> None:
        body = answer[answer.index(_END) + len(_END) :]
        for place, (shown, key, version) in enumerate(observe(KEYS[asked.key], body)):
            self._add(shown, asked.path, place, key, version, returned)

    def _note_shown(self, asked: Request, answer: bytes, returned: int) -> None:
        place = 0
        for key, version in versions_in(answer):
            self._add(Answer.SHOWN, asked.path, min(place, 255), key, version, returned)
            place += 1
        if not place:
            # A list may well be without the games; an answer to the question for one may not.
            answered = Answer.SHOWN if asked.key < 0 else Answer.WRONG_STATUS
            self._add(answered, asked.path, 0, asked.key, 200, returned)

    def _fail(self, how: Answer) -> None:
        asked, self._asked = self._asked, None
        self._buffer.clear()
        self._missing = 0
        if asked is not None:
            self._note_failure(how, self._invoked, asked.path, key=asked.key)

    def _note_failure(self, how: Answer, invoked: int, path: int, *, key: int = -1) -> None:
        self._log.add(how, path, self._api, 0, key, 0, invoked, monotonic_ns())

    def _add(
        self, answer: Answer, path: int, place: int, key: int, version: int, returned: int
    ) -> None:
        self._log.add(
            answer, path, self._api, place, key, version, self._invoked, returned
        )  # fmt: skip


def _length_of(buffer: bytearray) -> int:
    """Return the bytes of the whole answer; 0 while its head has not arrived."""
    end = buffer.find(_END)
    if end < 0:
        return 0
    head = bytes(buffer[:end]).lower()
    begin = head.index(_LENGTH) + len(_LENGTH)
    return end + len(_END) + int(head[begin:].split(b"\r\n", 1)[0])


def _mix(dice: Random, sign_ins: SignIns | None) -> Iterator[Request]:
    """Return requests without an end; without tokens that the shop takes, for games alone."""
    games = cycle([request for _ in range(8) for request in make_round(dice)])
    if sign_ins is None:
        return games
    persons = PersonalRequests(dice, sign_ins)
    return (persons.choose() if dice.random() < PERSONAL_SHARE else request for request in games)


async def _read(order: Order) -> None:
    dice = Random(order.seed)
    sign_ins = SignIns(order.secret) if order.secret else None
    requests = _mix(dice, sign_ins)
    log = ReadLog(Path(order.log))
    readers = [
        _Reader(place, address, requests, sign_ins, log)
        for place, address in enumerate(order.apis)
        for _ in range(order.connections)
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
    """Carry out the order."""
    exit_with_parent(os.getppid())
    uvloop.run(_read(msgspec.json.decode(sys.argv[1], type=Order)))


if __name__ == "__main__":
    main()
