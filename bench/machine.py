"""The servers, databases and processes of one run; nothing of them is left when it ends."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.error import URLError
from urllib.request import urlopen

import asyncpg
from msgspec import Struct

from bench.report import Report
from keyshop.embedded.ports import pick_free
from keyshop.embedded.postgres import PostgresServer

_ROOT: Final = Path(__file__).parent.parent
_TICK: Final = os.sysconf("SC_CLK_TCK")
_START_SECONDS: Final = 60.0

EMPTY: Final = "bench_empty"
"""A migrated database without rows, to be copied."""


class Machine(Struct, frozen=True):
    """What every section works with."""

    home: Path
    postgres: PostgresServer
    report: Report
    quick: bool


@contextmanager
def open_home() -> Iterator[Path]:
    """Make the folder of the run, which every account may pass through, and remove it at the end."""
    home = Path(tempfile.mkdtemp(prefix="keyshop-bench-"))
    # A PostgreSQL that root starts runs as another account.
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def copy_database(postgres: PostgresServer, name: str, template: str = EMPTY) -> str:
    """Make a fresh copy of a database and return its address."""
    connection = await asyncpg.connect(postgres.url_of("postgres"), ssl=False)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        # Written out now, so that it does not happen while something is measured.
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return postgres.url_of(name)


class Process:
    """A process of the run; it is stopped when its block ends, and ends when the run is killed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        variables: Mapping[str, str] | None = None,
        talks: bool = False,
    ) -> None:
        self._log = log.open("wb")
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        self._process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=self._log,
            text=True,
            # Not where the run was started: a `.env` there is not meant for it.
            cwd=log.parent,
            env={**_environment(), **(variables or {})},
        )

    @property
    def cpu_seconds(self) -> float:
        """The processor time the process has used, its own and the system's for it."""
        return _precise_cpu_seconds(self._process.pid) or sum(_cpu_seconds(self._process.pid)[:2])

    @property
    def input(self) -> IO[str]:
        """Where it is told something."""
        assert self._process.stdin is not None
        return self._process.stdin

    def read_line(self) -> str:
        """
        Return the next line that it prints.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.refuse_end()
            raise RuntimeError(f"{self._process.args!r} said nothing.")
        return line

    def refuse_end(self) -> None:
        """
        Look whether it still runs.

        Raises:
            RuntimeError: it ended; its last words are in the text.
        """
        if self._process.poll() is not None:
            words = Path(self._log.name).read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self._process.args!r} ended: {words}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()


def postgres_cpu_seconds(machine: Machine) -> float:
    """Return the processor time of all sessions that have ended, and of the server's first process."""
    pid = (machine.postgres.data / "postmaster.pid").read_text().split("\n", 1)[0]
    return sum(_cpu_seconds(int(pid)))


def postgres_cpu_seconds_so_far(machine: Machine) -> float:
    """Return the processor time of the server, of the sessions that are still open as well."""
    pid = int((machine.postgres.data / "postmaster.pid").read_text().split("\n", 1)[0])
    while True:
        # One that ends meanwhile is counted with its parent, so look once more.
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return sum(sum(_cpu_seconds(int(child))[:2]) for child in children) + sum(
                _cpu_seconds(pid)
            )


def _precise_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process's living threads; 0 where the system does not tell."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _cpu_seconds(pid: int) -> list[float]:
    """Return the user's and the system's time of a process, then those of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(ticks) / _TICK for ticks in fields[11:15]]


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


@contextmanager
def keyshop_api(
    machine: Machine,
    database_url: str,
    redis_url: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Iterator[tuple[Process, int]]:
    """Run `keyshop api` as production does, with more settings, and give the process and its port."""
    port = pick_free()
    variables = _settings(machine, database_url, redis_url) | {"KEYSHOP_PORT": str(port)}
    variables |= more or {}
    command = python("keyshop", "api", "--exit-with", str(os.getpid()))
    with Process(command, log=machine.home / "api.log", variables=variables) as process:
        _wait_for(f"http://127.0.0.1:{port}/live", process)
        yield process, port


def keyshop_worker(
    machine: Machine, database_url: str, redis_url: str, more: Mapping[str, str] | None = None
) -> Process:
    """Run `keyshop worker`, which keeps the cache trusted and sends mails."""
    command = python("keyshop", "worker", "--exit-with", str(os.getpid()))
    variables = _settings(machine, database_url, redis_url) | dict(more or {})
    return Process(command, log=machine.home / "worker.log", variables=variables)


def _settings(machine: Machine, database_url: str, redis_url: str | None) -> dict[str, str]:
    cache = {"CACHE_MODE": "off"} if redis_url is None else {"REDIS_URL": redis_url}
    return {
        "KEYSHOP_HOME": str(machine.home),
        "DATABASE_URL": database_url,
        "LOG_FORMAT": "json",
        **cache,
    }


def _wait_for(url: str, process: Process) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        process.refuse_end()
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _environment() -> dict[str, str]:
    """Return the environment without the settings of a shop that this machine may have."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return kept | {"PYTHONPATH": str(_ROOT)}
