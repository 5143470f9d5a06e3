"""The cache server that the checker starts, kills and configures."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis

from keyshop.embedded.binaries import get_valkey_program
from tests.consistency.processes import Child, tied

_MEMORY: Final = "64mb"
_POLICY: Final = "volatile-lru"
_MAX_START: Final = 10.0  # seconds


class RedisServer:
    """Valkey or Redis; it writes to disk only on SAVE."""

    def __init__(self, folder: Path, *, port: int, server: str, env: dict[str, str]) -> None:
        self.port = port
        self._snapshot = folder / "dump.rdb"
        program = _find_program(server)
        command = tied(
            [
                program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
                "--save", "", "--appendonly", "no", "--dbfilename", self._snapshot.name,
                "--maxmemory", _MEMORY, "--maxmemory-policy", _POLICY, "--loglevel", "warning",
            ]
        )  # fmt: skip
        self.child = Child("redis", lambda: command, env=env, log=folder / "redis.log")

    @property
    def url(self) -> str:
        """Its address without a proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.child.start()
        until = time.monotonic() + _MAX_START
        while not self.answers():
            if time.monotonic() > until or not self.child.is_running():
                raise RuntimeError("The cache server does not start; see its log.")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Test whether it has loaded its data and answers."""
        try:
            return bool(self._client().ping())
        except redis.RedisError:
            return False

    def kill(self, *, forget: bool) -> None:
        """Kill it; `forget` also deletes its snapshot."""
        self.child.kill()
        if forget:
            self._snapshot.unlink(missing_ok=True)

    def has_snapshot(self) -> bool:
        """Test whether there is a snapshot to start from."""
        return self._snapshot.exists()

    def execute(self, *words: str) -> None:
        """Execute a command; errors are ignored, because the command is a fault itself."""
        with suppress(redis.RedisError):
            self._client().execute_command(*words)

    def restore_settings(self) -> None:
        """Restore the settings that faults changed."""
        self.execute("REPLICAOF", "NO", "ONE")
        self.execute("CONFIG", "SET", "maxmemory", _MEMORY)
        self.execute("CONFIG", "SET", "maxmemory-policy", _POLICY)

    def _client(self) -> "redis.Redis":
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            socket_timeout=1,
            socket_connect_timeout=1,
            single_connection_client=True,
        )


def _find_program(server: str) -> str:
    if server == "valkey":
        return str(get_valkey_program())
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("redis-server is not installed; omit --server to use Valkey.")
    return found
