"""Processes that can be killed, stopped and started again, and that never outlive the checker."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG
_GRACE: Final = 5.0  # seconds
_LAST_LINES: Final = 20


class Child:
    """A command line that may run many times, one process at a time."""

    def __init__(
        self, name: str, command: Callable[[], Sequence[str]], *, env: dict[str, str], log: Path
    ) -> None:
        """Store how it is started; `command` is called at each start."""
        self.name = name
        self.starts = 0
        self._command = command
        self._env = env
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        self._close_input()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=self._env,
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        """Test whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def read_last_words(self) -> str:
        """Return the end of its log and its exit status, which tell why it has ended."""
        status = None if self._process is None else self._process.poll()
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join([f"exit status {status}", *lines[-_LAST_LINES:]])

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """Terminate it; kill it when it does not end."""
        if self._process is None:
            return
        self.send(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
        self._close_input()

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line of a module."""
    return [sys.executable, "-m", module, *arguments]


def tied(command: Sequence[str]) -> list[str]:
    """Return a command line whose program ends when the checker ends."""
    return python(__spec__.name, *command)


def main() -> None:
    """Execute the program of the arguments; on Linux it ends with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
