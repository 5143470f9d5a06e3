"""Redis and Valkey servers that a test may kill, stop, empty and start again."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from keyshop.embedded.binaries import get_valkey_program
from keyshop.embedded.ports import choose_port
from tests.servers import open_home

_START_SECONDS = 15
_ONCE = Retry(NoBackoff(), 0)


class RedisProcess:
    """One server on its own port, which writes to disk only on SAVE."""

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        self.port = choose_port(folder / "port")
        self.folder = folder
        self._program = program
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """Return the URL of another database."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            self._program, "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.folder), "--save", "", "--databases", "2000",
            "--maxmemory-policy", "noeviction", "--loglevel", "warning", *self._options,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it and wait for its end; data in memory are lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop the process: it accepts everything and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue the process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def execute(self, *words: str | int | bytes, database: int = 0) -> Any:
        """Execute a command and return its reply; texts are bytes."""
        with redis.Redis(port=self.port, db=database, socket_timeout=5, retry=_ONCE) as client:
            return client.execute_command(*words)

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1, retry=_ONCE) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False


def find_program(kind: str) -> str:
    """Return the server's program; skips the test where it is not installed."""
    if kind == "valkey":
        return str(get_valkey_program())
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed on this machine")
    return found


@contextmanager
def serving(kind: str, *options: str) -> Iterator[RedisProcess]:
    """Run a server during the block."""
    with open_home() as folder:
        server = RedisProcess(find_program(kind), folder, *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
