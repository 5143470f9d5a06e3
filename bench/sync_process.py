"""One full sync without limits, as a process of its own: prints what it did and what it cost."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from keyshop.entrypoints.cli.parent import exit_with_parent
from keyshop.gateways.g2a.connect import connect_g2a
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.logs import configure_logging
from keyshop.kit.secrets import Secret
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, SyncPolicy
from keyshop.sync.run import run_sync

# Of the supplier's sandbox, as it publishes them; the simulator takes them.
_CREDENTIALS: Final = G2ACredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret=Secret(
        "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
    ),
)


class Outcome(msgspec.Struct, frozen=True):
    """The run's record, its length, and the process's own cost; memory in MB of 10^6 bytes."""

    run: Run
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


async def _sync(database_url: str, supplier_url: str) -> Outcome:
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    begun = time.perf_counter()
    async with connect_g2a(base_url=supplier_url, credentials=_CREDENTIALS, budget=None) as g2a:
        policy = SyncPolicy(last_page=1_000_000)
        run = await run_sync(db, g2a, RunKind.FULL, policy=policy, clock=utc_now)
    seconds = time.perf_counter() - begun
    await db.close()
    return Outcome(run, seconds, time.process_time(), _peak_megabytes())


def _peak_megabytes() -> float:
    # Not getrusage: its figure begins with what the parent had when it started this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kibibytes) * 1024 / 1e6


def main() -> None:
    """Sync the shop of the first address with the supplier at the second."""
    exit_with_parent(os.getppid())
    configure_logging("json", "info")
    outcome = asyncio.run(_sync(*sys.argv[1:]))
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")


if __name__ == "__main__":
    main()
