"""A worker as a process of its own: `python -m ... DATABASE_URL [--tick] [--short-lease]`."""

import asyncio
import sys
from datetime import timedelta

from keyshop.entrypoints.worker.limits import DEFAULT_LIMITS, WorkerLimits
from keyshop.entrypoints.worker.run import run_worker, stop_on_signals
from keyshop.entrypoints.worker.schedule import Schedule
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.jobs import HANDLERS, SHORT_LEASE, ProbeShop, Ticked

EVERY_SECOND = Schedule("test", lambda due_at: Ticked(due_at=due_at), every=timedelta(seconds=1))


async def main(database_url: str, *, tick: bool, limits: WorkerLimits) -> None:
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    schedules = (EVERY_SECOND,) if tick else ()
    with stop_on_signals() as stop:
        shop = ProbeShop(db, database_url)
        await run_worker(shop, stop=stop, handlers=HANDLERS, schedules=schedules, limits=limits)
    await db.close()


if __name__ == "__main__":
    limits = SHORT_LEASE if "--short-lease" in sys.argv else DEFAULT_LIMITS
    asyncio.run(main(sys.argv[1], tick="--tick" in sys.argv, limits=limits))
