"""Processes that are kept running: started again when they die, stopped in order at the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import structlog

_GRACE: Final = 30.0  # seconds: what a worker needs to finish the jobs in hand, and some more
_FIRST_PAUSE: Final = 0.5  # seconds before a process that died is started again
_MAX_PAUSE: Final = 10.0
_SETTLED: Final = 30.0  # seconds after which a process counts as running well

_log = structlog.get_logger(__name__)


def keyshop_command(*arguments: str) -> list[str]:
    """Return the command line of a child that is `keyshop` itself, and ends with this process."""
    return [sys.executable, "-m", "keyshop", *arguments, "--exit-with", str(os.getpid())]


class Child:
    """One process that should run."""

    def __init__(self, name: str, command: Sequence[str], *, pass_fds: Sequence[int] = ()) -> None:
        self.name = name
        self._command = command
        self._pass_fds = pass_fds
        self._pause = _FIRST_PAUSE
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Test whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, in a session of its own: Ctrl-C is for the parent to act on."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=self._pass_fds
        )

    def revive(self) -> None:
        """Start the process again if it died and its pause is over."""
        if self._process is None or self.is_running:
            return
        age = time.monotonic() - self._started
        if age < self._pause:
            return
        _log.warning("process.died", process=self.name, status=self._process.returncode)
        self._pause = _FIRST_PAUSE if age > _SETTLED else min(self._pause * 2, _MAX_PAUSE)
        self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it runs."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait until it ended, and kill it when it has not by then (monotonic seconds)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Children:
    """Several processes; leaving the block stops them, the last one started first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for child in reversed(self._children):
            child.ask_to_stop()
        until = time.monotonic() + _GRACE
        for child in reversed(self._children):
            child.wait(until)

    def start(self, child: Child) -> None:
        """Start the process and keep it from now on."""
        self._children.append(child)
        child.start()

    def revive(self) -> None:
        """Start again what died."""
        for child in self._children:
            child.revive()
