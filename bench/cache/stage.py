"""The running shop of the section: Valkey, a worker and the API, with counts of its hits."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final
from urllib.request import urlopen

from msgspec import Struct
from redis import Redis

from bench.machine import Machine, Process, keyshop_api, keyshop_worker
from keyshop.embedded.valkey import ValkeyServer

_TIMEOUT: Final = 30.0  # seconds
_READS: Final = re.compile(
    r'^keyshop_cache_reads_total\{.*outcome="(\w+)".*\} (\S+)$', re.MULTILINE
)


class Stage(Struct, frozen=True):
    """The parts of the running shop."""

    machine: Machine
    database_url: str
    redis_url: str
    api: Process
    worker: Process
    port: int

    @property
    def redis_pid(self) -> int:
        """The pid of Valkey, which must be answering."""
        with Redis.from_url(self.redis_url) as redis:
            info: dict[str, int] = redis.info("server")
            return info["process_id"]

    def count_reads(self) -> dict[str, int]:
        """Return the number of reads so far, by outcome."""
        counted: dict[str, int] = {}
        for outcome, number in _READS.findall(self.get("/metrics").decode()):
            counted[outcome] = counted.get(outcome, 0) + int(float(number))
        return counted

    def get(self, target: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{target}", timeout=10) as response:
            body: bytes = response.read()
            return body

    def wait_for_hits(self, target: str) -> float:
        """
        Request until the answer comes from Redis, and return the seconds that it took.

        Raises:
            TimeoutError: no answer came from Redis.
        """
        begun = time.monotonic()
        while time.monotonic() - begun < _TIMEOUT:
            before = self.count_reads().get("hit", 0)
            self.get(target)
            if self.count_reads().get("hit", 0) > before:
                return time.monotonic() - begun
            time.sleep(0.01)
        raise TimeoutError(f"No hits within {_TIMEOUT:.0f} s; the logs say why.")


@contextmanager
def open_stage(
    machine: Machine, database_url: str, more: Mapping[str, str] | None = None
) -> Iterator[Stage]:
    """Run Valkey, a worker and the API with `more` settings; the block begins when there are hits."""
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer(machine.home))
        worker = stack.enter_context(keyshop_worker(machine, database_url, valkey.url, more))
        api, port = stack.enter_context(keyshop_api(machine, database_url, valkey.url, more))
        stage = Stage(machine, database_url, valkey.url, api, worker, port)
        seconds = stage.wait_for_hits("/api/games/best-sellers")
        machine.report.note(f"Hits {seconds:.1f} s after the API answered.")
        yield stage
