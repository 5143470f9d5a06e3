"""The servers, databases and processes of one run, which are removed when it ends."""

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
    """The parts of a run that every section uses."""

    home: Path
    postgres: PostgresServer
    report: Report
    quick: bool


@contextmanager
def open_home() -> Iterator[Path]:
    """Create the folder of the run, which every account may enter, and remove it at the end."""
    home = Path(tempfile.mkdtemp(prefix="keyshop-bench-"))
    # A PostgreSQL that root starts runs as another account.
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def copy_database(postgres: PostgresServer, name: str, template: str = EMPTY) -> str:
    """Create a copy of a database and return its URL."""
    connection = await asyncpg.connect(postgres.url_of("postgres"), ssl=False)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        # Now, so that no checkpoint runs during a measurement.
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return postgres.url_of(name)


class Process:
    """A process of the run, which is stopped at the end of its block, and when the run is killed."""

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
            # Not the current folder: its `.env` must not be read.
            cwd=log.parent,
            env={**_environment(), **(variables or {})},
        )

    @property
    def cpu_seconds(self) -> float:
        """The user and system processor time of the process so far."""
        return _precise_cpu_seconds(self._process.pid) or sum(_cpu_seconds(self._process.pid)[:2])

    @property
    def input(self) -> IO[str]:
        """The standard input of the process."""
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
            self.check_running()
            raise RuntimeError(f"{self._process.args!r} printed nothing.")
        return line

    def check_running(self) -> None:
        """
        Check that the process still runs.

        Raises:
            RuntimeError: it ended; the message contains the end of its log.
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
    """Return the processor time of the postmaster and of all ended sessions."""
    pid = (machine.postgres.data / "postmaster.pid").read_text().split("\n", 1)[0]
    return sum(_cpu_seconds(int(pid)))


def postgres_cpu_seconds_so_far(machine: Machine) -> float:
    """Return the processor time of the server, open sessions included."""
    pid = int((machine.postgres.data / "postmaster.pid").read_text().split("\n", 1)[0])
    while True:
        # A session that ends meanwhile is counted with its parent, so read again.
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return sum(sum(_cpu_seconds(int(child))[:2]) for child in children) + sum(
                _cpu_seconds(pid)
            )


def _precise_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process's running threads; 0 where the system does not report it."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _cpu_seconds(pid: int) -> list[float]:
    """Return user and system time of a process, then those of its ended children."""
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
    """Run `keyshop api` with `more` settings; yield the process and its port."""
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
    """Run `keyshop worker`, which keeps the cache trusted and sends mail."""
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
        process.check_running()
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _environment() -> dict[str, str]:
    """Return the environment without settings of another shop on this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return kept | {"PYTHONPATH": str(_ROOT)}
