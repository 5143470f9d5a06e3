"""`keyshop worker`, started while its database does not let it, and while others change its schema."""

import asyncio
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import pytest

from keyshop.entrypoints.worker.cleanup import CleanupDue
from keyshop.kit.cache.control import read_control
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue, list_jobs
from keyshop.sync.models import Run
from keyshop.sync.queries import start_run
from keyshop.sync.rules import RunKind, RunState
from tests.factories.cached_shop import cached_shop_at
from tests.factories.cached_shop import until as until_within
from tests.factories.hostile import powerless_role
from tests.factories.refusing_postgres import cut_sessions, refusing
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, run_keyshop
from tests.keyshop.entrypoints.worker.conftest import until
from tests.servers import Postgres, connected, copied_database

pytestmark = pytest.mark.timed

_CUTS = 12
_CHECKED_WITHIN = 45.0  # seconds: triggers are checked every 30 s
_TRIGGER = "TRIGGER keyshop_cache_updated"
_SET_PRICE = "UPDATE games SET price = $2::text::numeric WHERE id = $1"


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

    async def test_waits_until_its_role_may_use_the_tables(
        self, home, db: Database, database_url: str
    ):
        async with db.transaction() as tx:
            await enqueue(tx, CleanupDue(due_at=utc_now()))
        async with powerless_role(database_url) as url, connected(database_url) as admin:
            worker = ShopProcess(home, DATABASE_URL=url, CACHE_MODE="off")
            try:
                worker.launch("worker")
                await until(lambda: waits(worker))
                role = urlsplit(url).username
                await admin.execute(
                    f"GRANT {await admin.fetchval('SELECT current_user')} TO {role}"
                )
                await until(lambda: is_idle(db))
                assert worker.stop() == 0
            finally:
                worker.end()

        log = worker.log.read_text()
        assert "PostgreSQL refuses the role in DATABASE_URL: permission denied" in log
        assert "Traceback" not in log

    async def test_waits_while_its_database_is_being_restored(
        self, worker: ShopProcess, db: Database, database_url: str
    ):
        async with db.transaction() as tx:
            await enqueue(tx, CleanupDue(due_at=utc_now()))
        async with connected(database_url) as admin:
            await admin.execute("ALTER TABLE keyshop.pgqueuer RENAME TO later")
            await admin.execute("ALTER TABLE keyshop.sync_runs RENAME TO later_runs")
            worker.launch("worker")
            await until(lambda: waits(worker))
            await admin.execute("ALTER TABLE keyshop.later RENAME TO pgqueuer")
            await admin.execute("ALTER TABLE keyshop.later_runs RENAME TO sync_runs")

        await until(lambda: is_idle(db))
        assert worker.stop() == 0
        assert "Traceback" not in worker.log.read_text()

    async def test_names_the_command_for_a_database_that_was_never_upgraded(
        self, home, postgres_server: Postgres
    ):
        async with copied_database(postgres_server, "template0") as url:
            done = await asyncio.to_thread(
                partial(run_keyshop, "worker", home=home, DATABASE_URL=url, CACHE_MODE="off")
            )

        assert done.returncode == 1
        assert done.stderr.strip().endswith("run `keyshop db upgrade` first.")
        assert "Traceback" not in done.stderr

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


class TestRunningWorker:
    @pytest.mark.slow
    async def test_opens_the_cache_itself_once_disabled_triggers_are_back(
        self, home, database_url: str, valkey_url: str
    ):
        worker = ShopProcess(home, DATABASE_URL=database_url, REDIS_URL=valkey_url, CACHE_MODE="on")
        async with (
            connected(database_url) as psql,
            cached_shop_at(database_url, valkey_url) as shopper,
        ):

            async def is_blocked() -> bool:
                control = await read_control(psql)
                return control.blocked is not None and not control.is_open

            async def shows(price: str) -> bool:
                return await shopper.price(game) == price

            try:
                worker.launch("worker")
                game = await shopper.add(price=10)
                await shopper.until_kept(game, seconds=30)
                await psql.execute(f"ALTER TABLE games DISABLE {_TRIGGER}")
                await psql.execute(_SET_PRICE, game, "11.00")
                await until_within(is_blocked, seconds=_CHECKED_WITHIN)
                # A reader may rely on its copy of the control row for another half second.
                await until_within(lambda: shows("11.00"), seconds=5)
                assert not await shopper.keeps(game)

                await psql.execute(f"ALTER TABLE games ENABLE ALWAYS {_TRIGGER}")
                await shopper.until_kept(game, seconds=_CHECKED_WITHIN)
                assert await shopper.price(game) == "11.00"
                assert (await read_control(psql)).blocked is None

                await psql.execute(_SET_PRICE, game, "12.00")
                await until_within(lambda: shows("12.00"), seconds=5)
                assert worker.stop() == 0
            finally:
                worker.end()
        log = worker.log.read_text()
        assert log.index("cache.blocked") < log.index("cache.unblocked")
