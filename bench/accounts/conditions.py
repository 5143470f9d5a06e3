"""The running shop under load, and the faults under which it is measured."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Final

from msgspec import Struct

from bench.accounts.mail_server import MailMode, MailServer, open_mail_server
from bench.cache.stage import Stage, open_stage
from bench.machine import Machine

_LOST_AFTER: Final = 0.5  # seconds, so that customers are being served


class Redis(Enum):
    """The state of Redis during the load."""

    RUNS = "Redis runs"
    STOPS = "Redis stops answering (SIGSTOP)"
    DIES = "Redis is killed"


class Condition(Struct, frozen=True):
    """The state of Redis and of the mail server."""

    short: str
    redis: Redis
    mail: MailMode

    @property
    def name(self) -> str:
        """The name in the report."""
        return f"{self.redis.value}, the mail server {self.mail.value}"


CONDITIONS: Final = (
    Condition("all well", Redis.RUNS, MailMode.ACCEPTS),
    Condition("Redis stopped", Redis.STOPS, MailMode.ACCEPTS),
    Condition("Redis killed", Redis.DIES, MailMode.ACCEPTS),
    Condition("mail refused", Redis.RUNS, MailMode.REFUSES),
)


class Environment(Struct, frozen=True):
    """The running shop and its mail server, under one condition."""

    stage: Stage
    mail: MailServer
    redis_pid: int
    condition: Condition

    @contextmanager
    def lose_redis(self) -> Iterator[None]:
        """Stop or kill Redis half a second after the block began, if the condition says so."""
        number = _SIGNALS.get(self.condition.redis)
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
def open_environment(
    machine: Machine, database_url: str, condition: Condition
) -> Iterator[Environment]:
    """Run the whole shop; `lose_redis` breaks Redis later."""
    with ExitStack() as stack:
        mail, smtp_url = stack.enter_context(open_mail_server(condition.mail))
        more = {"TRUSTED_PROXIES": "127.0.0.1", "SMTP_URL": smtp_url}
        stage = stack.enter_context(open_stage(machine, database_url, more))
        pid = stage.redis_pid
        try:
            yield Environment(stage, mail, pid, condition)
        finally:
            if condition.redis is Redis.STOPS:
                # A stopped process does not react to SIGTERM.
                os.kill(pid, signal.SIGCONT)


_SIGNALS: Final = {Redis.STOPS: signal.SIGSTOP, Redis.DIES: signal.SIGKILL}
