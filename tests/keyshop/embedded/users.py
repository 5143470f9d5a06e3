"""Processes that use an embedded server, and the processes that belong to a home."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_SCRIPT = Path(__file__).with_name("user_process.py")
_SECONDS = 30


class UserProcess:
    """Another keyshop that uses a server of this home."""

    def __init__(self, name: str, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), name, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def leave(self) -> None:
        self.process.communicate(timeout=_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=_SECONDS)


@contextmanager
def using(name: str, home: Path) -> Iterator[UserProcess]:
    """Let another process use the server for the length of a block, or until it is killed."""
    user = UserProcess(name, home)
    try:
        user.wait_until_ready()
        yield user
    finally:
        user.leave()


def list_processes(home: Path) -> list[psutil.Process]:
    """Return all living processes whose command line names this home."""
    return [
        process
        for process in psutil.process_iter()
        if str(home) in " ".join(_command_line(process)) and process.pid != psutil.Process().pid
    ]


def get_server(home: Path, name: str) -> psutil.Process:
    """Return the process of the server itself."""
    (found,) = [p for p in list_processes(home) if Path(_command_line(p)[0]).name == name]
    return found


def get_guardian(home: Path) -> psutil.Process:
    """Return the guardian, which stops the server once it has no users; it may be starting."""
    wait_until(lambda: len(_guardians(home)) == 1, seconds=10)
    (found,) = _guardians(home)
    return found


def _guardians(home: Path) -> list[psutil.Process]:
    return [p for p in list_processes(home) if "keyshop.embedded.guardian" in _command_line(p)]


def kill(process: psutil.Process) -> None:
    """Kill any process and wait until the kernel has freed its locks and ports."""
    process.kill()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def wait_until(is_true: Callable[[], bool], *, seconds: float = _SECONDS) -> None:
    """Wait until the condition is true; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]
