"""A worker whose PostgreSQL refuses to work for a while: it waits, and goes on by itself."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from keyshop.entrypoints.worker.run import run_worker
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import enqueue, list_jobs
from tests.factories.jobs import HANDLERS, Note, ProbeShop, make_job_log, read_job_log
from tests.factories.refusing_postgres import REFUSALS, refusing
from tests.keyshop.entrypoints.worker.conftest import Working, until
from tests.keyshop.entrypoints.worker.worker_process import EVERY_SECOND
from tests.servers import connected

pytestmark = pytest.mark.timed

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'"
_RESTORE = "ALTER TABLE keyshop.{} RENAME TO {}"


async def put(db: Database, text: str) -> None:
    async with db.transaction() as tx:
        await enqueue(tx, Note(text=text))


async def run(db: Database, *statements: str) -> None:
    async with db.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


async def has(db: Database, *notes: str) -> bool:
    with suppress(DatabaseUnavailable):  # connections of the pool are replaced one by one
        return await read_job_log(db) == list(notes)
    return False


async def is_done(db: Database) -> bool:
    with suppress(DatabaseUnavailable):
        async with db.read() as reader:
            return not await list_jobs(reader)
    return False


async def logged(logs: list[Any], event: str) -> bool:
    return any(line["event"] == event for line in logs)


async def put_when_possible(db: Database, text: str) -> None:
    async def is_put() -> bool:
        with suppress(DatabaseUnavailable):
            await put(db, text)
            return True
        return False

    await until(is_put)


class TestWorker:
    @pytest.mark.parametrize("refusal", REFUSALS)
    async def test_waits_while_the_database_refuses_and_goes_on(
        self, shop: ProbeShop, working: Working, refusal: str
    ):
        with capture_logs() as logs:
            async with working():
                await put(shop.db, "before")
                await until(lambda: is_done(shop.db))
                async with refusing(shop.database_url, refusal):
                    await until(lambda: logged(logs, "database unavailable"))
                await put_when_possible(shop.db, "after")
                await until(lambda: has(shop.db, "before", "after"))

    @pytest.mark.parametrize("refusal", ["read-only", "closed for a restore"])
    async def test_starts_while_the_database_refuses(
        self, shop: ProbeShop, working: Working, refusal: str
    ):
        await put(shop.db, "early")
        async with AsyncExitStack() as started:
            logs = started.enter_context(capture_logs())
            async with refusing(shop.database_url, refusal):
                stop = await started.enter_async_context(working())
                await until(lambda: logged(logs, "database unavailable"))
            await until(lambda: has(shop.db, "early"))
            stop.set()

    async def test_waits_while_its_tables_are_restored(self, shop: ProbeShop, working: Working):
        with capture_logs() as logs:
            async with working():
                await put(shop.db, "before")
                await until(lambda: is_done(shop.db))
                async with connected(shop.database_url) as admin:
                    await admin.execute(_RESTORE.format("pgqueuer", "away"))
                    await until(lambda: logged(logs, "database unavailable"))
                    await admin.execute(_RESTORE.format("away", "pgqueuer"))
                await put(shop.db, "after")
                await until(lambda: has(shop.db, "before", "after"))

    async def test_postpones_its_schedule_meanwhile(self, shop: ProbeShop):
        stop = asyncio.Event()
        with capture_logs() as logs:
            worker = asyncio.create_task(
                run_worker(shop, stop=stop, handlers=HANDLERS, schedules=[EVERY_SECOND])
            )
            await until(lambda: ticked(shop.db))
            async with connected(shop.database_url) as admin:
                await admin.execute(_RESTORE.format("schedule_ticks", "away"))
                await until(lambda: postponed(logs))
                await admin.execute(_RESTORE.format("away", "schedule_ticks"))
            seen = len(await read_job_log(shop.db))
            await until(lambda: ticked(shop.db, more_than=seen))
            stop.set()
            await worker


async def postponed(logs: list[Any]) -> bool:
    return any(line.get("operation") == EVERY_SECOND.name for line in logs)


async def ticked(db: Database, *, more_than: int = 0) -> bool:
    return len(await read_job_log(db)) > more_than


@pytest_asyncio.fixture
async def limited(db: Database, database_url: str) -> AsyncIterator[tuple[ProbeShop, str]]:
    """A shop whose role may be given a limit of connections, and the role's name."""
    await make_job_log(db)
    role = f"limited_{uuid.uuid4().hex}"
    async with connected(database_url) as admin:
        # As a member it has its owner's tables; a superuser is not bound by a limit.
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'limited' IN ROLE CURRENT_USER")
        await admin.execute(f"ALTER ROLE {role} SET search_path = keyshop, public")
        parts = urlsplit(database_url)
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=f"{role}:limited@{host}"))
        theirs = Database(url, guard=RedisCommitGuard(None))
        await theirs.open()
        yield ProbeShop(theirs, url), role
        await theirs.close()
        await admin.execute(f"DROP ROLE {role}")


class TestRoleWithALimitOfConnections:
    async def test_lets_the_worker_wait_for_a_connection(
        self, limited: tuple[ProbeShop, str], db: Database
    ):
        shop, role = limited
        stop = asyncio.Event()
        worker = asyncio.create_task(run_worker(shop, stop=stop, handlers=HANDLERS, schedules=()))
        try:
            await put(db, "before")
            await until(lambda: is_done(db))
            with capture_logs() as logs:
                await run(db, f"ALTER ROLE {role} CONNECTION LIMIT 0", _CUT.format(role))
                await until(lambda: logged(logs, "database unavailable"))
            await run(db, f"ALTER ROLE {role} CONNECTION LIMIT -1")
            await put(db, "after")
            await until(lambda: has(db, "before", "after"))
        finally:
            stop.set()
            await worker
