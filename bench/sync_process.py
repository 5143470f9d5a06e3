"""A process that runs one full sync without limits, and prints its result and its cost."""

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

# The published credentials of the supplier's sandbox; the simulator accepts them.
_CREDENTIALS: Final = G2ACredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret=Secret(
        "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
    ),
)


class SyncCost(msgspec.Struct, frozen=True):
    """The run's record and length, and the cost of the process; memory in MB of 10^6 bytes."""

    run: Run
    seconds: float
    cpu_seconds: float
    peak_megabytes: float


async def _sync(database_url: str, supplier_url: str) -> SyncCost:
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    begun = time.perf_counter()
    async with connect_g2a(base_url=supplier_url, credentials=_CREDENTIALS, budget=None) as g2a:
        policy = SyncPolicy(last_page=1_000_000)
        run = await run_sync(db, g2a, RunKind.FULL, policy=policy, clock=utc_now)
    seconds = time.perf_counter() - begun
    await db.close()
    return SyncCost(run, seconds, time.process_time(), _peak_megabytes())


def _peak_megabytes() -> float:
    # Not getrusage: its figure begins with what the parent had when it started this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kibibytes) * 1024 / 1e6


def main() -> None:
    """Sync the database in the first argument with the supplier in the second."""
    exit_with_parent(os.getppid())
    configure_logging("json", "info")
    synced = asyncio.run(_sync(*sys.argv[1:]))
    sys.stdout.write(msgspec.json.encode(synced).decode() + "\n")


if __name__ == "__main__":
    main()
