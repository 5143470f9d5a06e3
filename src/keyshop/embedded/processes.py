"""
The processes of the embedded servers: how they are started, recognised and stopped.

A server is recognised by its command line, never by a pid from a file: the pid may long belong to
somebody else.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.run_as import OsAccount

_POLL_SECONDS = 0.02
_PROC = Path("/proc")

# Kept so that those that ended are reaped: a zombie would look like a living process to others.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Program:
    """What to look for in a command line, and how the process wishes to be stopped."""

    command: str  # the end of its command up to that argument
    argument: str  # one that only this process has, such as the path of its data
    stop_signal: signal.Signals
    timeout_seconds: float  # until it is killed instead


def spawn_detached(
    command: Sequence[str | Path],
    *,
    account: OsAccount,
    log: int,
    environment: dict[str, str],
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """
    Start a program in a session of its own, where Ctrl-C in our terminal does not reach it.

    It reads nothing, writes to the log, and inherits no descriptor but those of `pass_fds`.
    """
    _reap()
    process = subprocess.Popen(
        [*account.prefix, *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        cwd="/",
        umask=0o077,
        env=environment,
        pass_fds=pass_fds,
        user=account.uid,
        group=account.gid,
        extra_groups=account.extra_groups,
    )
    _started.append(process)
    return process


def list_running(program: Program) -> list[int]:
    """Return the pids of all living processes of this server, usually none or one."""
    _reap()
    return [pid for pid, command_line in _command_lines() if _matches(program, command_line)]


def stop_running(program: Program) -> None:
    """
    Stop the server and wait until it is gone; kill it when it takes too long.

    Raises:
        EmbeddedServerError: it survived even that.
    """
    for number in (program.stop_signal, signal.SIGKILL):
        pids = list_running(program)
        _send(number, pids)
        if has_ended(program, within_seconds=program.timeout_seconds):
            _bury(pids)
            return
    raise EmbeddedServerError(f"The server of {program.argument} cannot be stopped.")


def has_ended(program: Program, *, within_seconds: float) -> bool:
    """Wait until no process of this program is left; say whether that came true in time."""
    deadline = time.monotonic() + within_seconds
    while list_running(program):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _matches(program: Program, command_line: str) -> bool:
    return f"{program.command} {program.argument} " in f"{command_line} "


def _command_lines() -> Iterator[tuple[int, str]]:
    if not _PROC.joinpath("self", "cmdline").exists():
        yield from _command_lines_by_ps()
        return
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                raw = entry.joinpath("cmdline").read_bytes()
            except OSError:
                continue  # it ended just now
            yield int(entry.name), os.fsdecode(raw).rstrip("\0").replace("\0", " ")


def _command_lines_by_ps() -> Iterator[tuple[int, str]]:
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        pid, _, command_line = line.strip().partition(" ")
        yield int(pid), command_line


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it ended just now


def _bury(pids: list[int]) -> None:
    # Those that we started ourselves are gone only when we have taken note of their end.
    for process in _started:
        if process.pid in pids:
            process.wait()


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]
