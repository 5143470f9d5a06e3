"""The cache server of the checker's own world, and all that can be done to it."""

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
    """Valkey or Redis, which keeps on disk only what SAVE puts there."""

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
        """Kill it; with `forget` it will find no snapshot."""
        self.child.kill()
        if forget:
            self._snapshot.unlink(missing_ok=True)

    def has_snapshot(self) -> bool:
        """Test whether there is something old to start with."""
        return self._snapshot.exists()

    def tell(self, *words: str) -> None:
        """Give a command; one that fails has its effect or not, and both are a fault."""
        with suppress(redis.RedisError):
            self._client().execute_command(*words)

    def be_itself(self) -> None:
        """Undo what commands have changed."""
        self.tell("REPLICAOF", "NO", "ONE")
        self.tell("CONFIG", "SET", "maxmemory", _MEMORY)
        self.tell("CONFIG", "SET", "maxmemory-policy", _POLICY)

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
        raise RuntimeError("redis-server is not installed; leave --server away to use Valkey.")
    return found
