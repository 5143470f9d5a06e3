"""`keyshop worker`, started while its database does not let it."""

import asyncio
from collections.abc import Iterator

import pytest

from keyshop.entrypoints.worker.cleanup import CleanupDue
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue, list_jobs
from keyshop.sync.models import Run
from keyshop.sync.queries import start_run
from keyshop.sync.rules import RunKind, RunState
from tests.factories.refusing_postgres import cut_sessions, refusing
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess
from tests.keyshop.entrypoints.worker.conftest import until

pytestmark = pytest.mark.timed

_CUTS = 12


@pytest.fixture
def worker(home, database_url: str) -> Iterator[ShopProcess]:
    worker = ShopProcess(home, DATABASE_URL=database_url, CACHE_MODE="off")
    yield worker
    worker.end()


async def waits(worker: ShopProcess) -> bool:
    return worker.log.exists() and "waits_to_start" in worker.log.read_text()


async def is_idle(db: Database) -> bool:
    async with db.read() as reader:
        return not await list_jobs(reader)


class TestWorkerThatIsStarted:
    @pytest.mark.parametrize("refusal", ["read-only", "closed for a restore"])
    async def test_waits_for_its_database_and_works(
        self, worker: ShopProcess, db: Database, database_url: str, refusal: str
    ):
        async with db.transaction() as tx:
            await enqueue(tx, CleanupDue(due_at=utc_now()))
            # A run whose process is gone: the start writes.
            run = Run(id=new_id(), kind=RunKind.STOCK, state=RunState.RUNNING, started_at=utc_now())
            await start_run(tx, run)
        async with refusing(database_url, refusal):
            worker.launch("worker")
            await until(lambda: waits(worker))

        await until(lambda: is_idle(db))
        assert worker.stop() == 0
        assert "Traceback" not in worker.log.read_text()

    @pytest.mark.slow
    async def test_starts_although_its_connections_are_cut(
        self, worker: ShopProcess, db: Database, database_url: str
    ):
        async with db.transaction() as tx:
            await enqueue(tx, CleanupDue(due_at=utc_now()))
        await db.close()
        worker.launch("worker")

        # From its first statement on, while it opens one connection after the other.
        cut = 0
        while cut < _CUTS:
            cut += await cut_sessions(database_url)
            await asyncio.sleep(0.005)

        await db.open()
        await until(lambda: is_idle(db))
        assert worker.stop() == 0
        assert "Traceback" not in worker.log.read_text()
