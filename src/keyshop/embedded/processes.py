"""
The processes of the embedded servers: how they are started, recognised and stopped.

A server is recognised by its command line, never by a pid from a file: another process may have
that pid by now.
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

_POLL_INTERVAL = 0.02
_PROC = Path("/proc")

# Kept so that ended ones are reaped: to other processes, a zombie would look alive.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Program:
    """How to recognise the command line of a process, and how to stop it."""

    command: str  # the end of its command line before `argument`
    argument: str  # one that only this process has, such as the path of its data
    stop_signal: signal.Signals
    timeout_seconds: float  # after which it is killed


def spawn_detached(
    command: Sequence[str | Path],
    *,
    account: OsAccount,
    log: int,
    environment: dict[str, str],
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """
    Start a program in a session of its own, where Ctrl-C in this terminal does not reach it.

    It reads no input, writes to the log, and inherits only the descriptors in `pass_fds`.
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


def is_process_of(program: Program, pid: int) -> bool:
    """Test whether this process is the server."""
    if not _PROC.joinpath("self", "cmdline").exists():
        return pid in list_running(program)
    try:
        return _matches(program, _read_command_line(_PROC / str(pid)))
    except OSError:
        return False


def stop_running(program: Program) -> None:
    """
    Stop the server and wait until it has ended; kill it after `timeout_seconds`.

    Raises:
        EmbeddedServerError: it cannot be stopped.
    """
    for number in (program.stop_signal, signal.SIGKILL):
        pids = list_running(program)
        _send(number, pids)
        if has_ended(program, within_seconds=program.timeout_seconds):
            _wait_for_own(pids)
            return
    raise EmbeddedServerError(
        f"The server of {program.argument} cannot be stopped; end its process by hand."
    )


def has_ended(program: Program, *, within_seconds: float) -> bool:
    """Wait until no process of this program is left; return whether that happened in time."""
    deadline = time.monotonic() + within_seconds
    while list_running(program):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_INTERVAL)
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
                command_line = _read_command_line(entry)
            except OSError:
                continue  # it has ended meanwhile
            yield int(entry.name), command_line


def _read_command_line(process: Path) -> str:
    raw = process.joinpath("cmdline").read_bytes()
    return os.fsdecode(raw).rstrip("\0").replace("\0", " ")


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
            continue  # it has ended meanwhile


def _wait_for_own(pids: list[int]) -> None:
    # A child of this process stays a zombie until this process has waited for it.
    for process in _started:
        if process.pid in pids:
            process.wait()


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]
