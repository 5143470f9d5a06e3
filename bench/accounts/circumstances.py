"""The running shop under load, and what of it is broken."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Final

from msgspec import Struct

from bench.accounts.mail_server import MailServer, Mood, open_mail_server
from bench.cache.stage import Stage, open_stage
from bench.machine import Machine

_LOST_AFTER: Final = 0.5  # seconds, so that customers are at it


class Redis(Enum):
    """What becomes of Redis."""

    RUNS = "Redis runs"
    STOPS = "Redis stops answering (SIGSTOP)"
    DIES = "Redis is killed"


class Circumstance(Struct, frozen=True):
    """What the shop can rely on."""

    short: str
    redis: Redis
    mail: Mood

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return f"{self.redis.value}, the mail server {self.mail.value}"


CIRCUMSTANCES: Final = (
    Circumstance("all well", Redis.RUNS, Mood.TAKES),
    Circumstance("Redis stopped", Redis.STOPS, Mood.TAKES),
    Circumstance("Redis killed", Redis.DIES, Mood.TAKES),
    Circumstance("mail refused", Redis.RUNS, Mood.REFUSES),
)


class Scene(Struct, frozen=True):
    """The running shop and its mail server."""

    stage: Stage
    mail: MailServer
    redis_pid: int
    circumstance: Circumstance

    @contextmanager
    def lose_redis(self) -> Iterator[None]:
        """Take Redis away a moment after the block began, if that is the circumstance."""
        number = _SIGNALS.get(self.circumstance.redis)
        if number is None:
            yield
            return
        timer = threading.Timer(_LOST_AFTER, os.kill, (self.redis_pid, number))
        timer.start()
        try:
            yield
        finally:
            timer.join()


@contextmanager
def open_scene(machine: Machine, database_url: str, circumstance: Circumstance) -> Iterator[Scene]:
    """Run the whole shop; what is to be broken still works."""
    with ExitStack() as stack:
        mail, smtp_url = stack.enter_context(open_mail_server(circumstance.mail))
        more = {"TRUSTED_PROXIES": "127.0.0.1", "SMTP_URL": smtp_url}
        stage = stack.enter_context(open_stage(machine, database_url, more))
        pid = stage.redis_pid
        try:
            yield Scene(stage, mail, pid, circumstance)
        finally:
            if circumstance.redis is Redis.STOPS:
                # A stopped process does not end when it is asked to.
                os.kill(pid, signal.SIGCONT)


_SIGNALS: Final = {Redis.STOPS: signal.SIGSTOP, Redis.DIES: signal.SIGKILL}
