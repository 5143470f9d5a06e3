"""Child processes: restarted when they die, stopped in reverse order at the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import structlog

_GRACE: Final = 30.0  # seconds: more than a worker needs to finish its running jobs
_RESTART_DELAY: Final = 0.5  # seconds, doubled each time a process dies early
_MAX_RESTART_DELAY: Final = 10.0
_STABLE_AFTER: Final = 30.0  # seconds; a process that ran for so long did not die early

_log = structlog.get_logger(__name__)


def keyshop_command(*arguments: str) -> list[str]:
    """Return the command line of a `keyshop` child that exits when this process is gone."""
    return [sys.executable, "-m", "keyshop", *arguments, "--exit-with", str(os.getpid())]


class Child:
    """One process that is kept running."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Store what `start` needs; without an `environment`, the process has this one's."""
        self.name = name
        self._command = command
        self._pass_fds = pass_fds
        self._environment = environment
        self._restart_delay = _RESTART_DELAY
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process in a session of its own, so that only the parent acts on Ctrl-C."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._pass_fds,
            env=self._environment,
        )

    def restart_if_dead(self) -> None:
        """Restart the process if it died and its delay has passed."""
        if self._process is None or self.is_running:
            return
        age = time.monotonic() - self._started
        if age < self._restart_delay:
            return
        _log.warning("process.died", process=self.name, status=self._process.returncode)
        self._restart_delay = (
            _RESTART_DELAY
            if age > _STABLE_AFTER
            else min(self._restart_delay * 2, _MAX_RESTART_DELAY)
        )
        self.start()

    def terminate(self) -> None:
        """Send SIGTERM if the process runs."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until the process has ended; kill it at the deadline (monotonic seconds)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Children:
    """Several processes; leaving the block stops them, the last one first."""

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
            child.terminate()
        deadline = time.monotonic() + _GRACE
        for child in reversed(self._children):
            child.wait(deadline)

    def start(self, child: Child) -> None:
        """Start the process and keep it running from now on."""
        self._children.append(child)
        child.start()

    def restart_dead(self) -> None:
        """Restart the processes that died."""
        for child in self._children:
            child.restart_if_dead()
