"""The shop works behind a pooler, and with a role whose settings are another application's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from g2a_simulator.market import Market
from keyshop.entrypoints.worker.connection import connected as queue_connection
from keyshop.entrypoints.worker.mail import HANDLERS
from keyshop.entrypoints.worker.run import run_worker
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.database.errors import DatabaseReadOnly, DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import list_jobs
from keyshop.schema.attach import check
from keyshop.schema.connect import connected as schema_connection
from keyshop.schema.errors import NothingToAttach, ServerRefused
from keyshop.schema.migrate import upgrade
from keyshop.sync.errors import SyncAlreadyRunning
from keyshop.sync.rules import RunKind, RunState
from tests.factories.account_services import account_services
from tests.factories.api_app import make_app
from tests.factories.browsers import PASSWORD, new_email, open_browser
from tests.factories.hostile import hostile_role, make_database_hostile
from tests.factories.jobs import ProbeShop
from tests.factories.pooler import PGBOUNCER, pooled
from tests.factories.refusing_postgres import refusing
from tests.factories.syncs import (
    PausingClient,
    expected_price,
    open_client,
    read_games,
    sync,
    wait_until,
)
from tests.keyshop.gateways.mail.mail_server import MailServer, serve
from tests.keyshop.gateways.mail.mails import mailer_at
from tests.servers import Postgres, connected, copied_database

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")

_CHANGE = "UPDATE keyshop.cache_control SET relay_beat = relay_beat"

_FOREIGN = "SELECT name FROM pg_settings WHERE source IN ('user', 'database', 'database user')"
_OVERRULED_BY_BEGIN = {"default_transaction_deferrable", "default_transaction_isolation"}

# The clearing of a session that is idle would be the pooler's affair.
_NOT_FOR_POOLERS = ("idle_session_timeout",)


@asynccontextmanager
async def open_shop(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url, guard=RedisCommitGuard(None), max_size=3)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


async def visit(db: Database, game: Any) -> None:
    """Browse as a guest, fill a cart, register, and sign in elsewhere."""
    app = make_app(db)
    email = new_email()
    async with open_browser(app) as laptop, open_browser(app) as phone:
        shown = await laptop.get("/api/games?inStockOnly=false&pageSize=100")
        assert game["id"] in {each["id"] for each in shown["data"]}
        found = await laptop.get(f"/api/games/search?q={game['title']}")
        assert game["id"] in {each["id"] for each in found}
        page = await laptop.get(f"/api/games/{game['id']}")
        assert page["price"] == float(game["price"])

        await laptop.put(game["id"])
        await laptop.register(email=email)
        await phone.sign_in(email, PASSWORD)
        assert await phone.cart() == {game["id"]: 1}
        await phone.wish(game["id"])
        profile = await phone.get("/api/auth/me")
        # In UTC, and in the notation of every answer.
        assert profile["createdAt"].endswith("Z")


async def assert_settings_are_ours(db: Database) -> None:
    async with db.transaction() as tx:
        assert {each["name"] for each in await tx.fetch(_FOREIGN)} <= _OVERRULED_BY_BEGIN
        assert await tx.fetchval("SHOW transaction_isolation") == "read committed"
        assert await tx.fetchval("SHOW datestyle") == "ISO, MDY"
        assert await tx.fetchval("SHOW timezone") == "UTC"
        assert await tx.fetchval("SHOW search_path") == "public, pg_temp"
        # Longer than the role's statement_timeout, transaction_timeout and idle timeouts.
        await tx.execute("SELECT pg_sleep(0.2)")
        await asyncio.sleep(0.02)
        assert await tx.fetchval("SELECT 1") == 1


async def shop_for_a_while(db: Database, supplier: PausingClient, market: Market) -> None:
    first = await sync(db, supplier)
    assert first.state is RunState.COMPLETE
    product = next(id_ for id_ in market.product_ids() if market.product(id_)["qty"] > 0)
    market.set_product(product, minPrice=31.4, retail_min_price=31.4)
    again = await sync(db, supplier, RunKind.STOCK)
    assert again.state is RunState.COMPLETE
    game = (await read_games(db))[product]
    assert game["price"] == expected_price(market, product)

    await visit(db, game)
    await assert_settings_are_ours(db)


class TestForeignSettings:
    @pytest.mark.parametrize("isolation", ["serializable", "repeatable read"])
    async def test_of_a_role_do_not_reach_the_shop(
        self, database_url: str, supplier: PausingClient, market: Market, isolation: str
    ) -> None:
        async with hostile_role(database_url, isolation=isolation) as url, open_shop(url) as db:
            await shop_for_a_while(db, supplier, market)

    async def test_of_the_database_do_not_reach_the_shop(
        self, database_url: str, supplier: PausingClient, market: Market
    ) -> None:
        async with connected(database_url) as admin:
            await make_database_hostile(admin)
            for temporary in ("staged", "staged_new"):
                await admin.execute(f"CREATE TABLE public.{temporary} (nothing int)")
        async with open_shop(database_url) as db:
            await shop_for_a_while(db, supplier, market)

    async def test_do_not_reach_the_upgrade_of_a_database(self, postgres_server: Postgres) -> None:
        async with (
            copied_database(postgres_server, "template0") as url,
            hostile_role(url) as hostile,
        ):
            await asyncio.to_thread(upgrade, hostile)

            async with connected(url) as admin:
                users = await admin.fetchval("SELECT to_regclass('public.users') IS NOT NULL")
            assert users
            with pytest.raises(NothingToAttach, match="was made by keyshop"):
                await asyncio.to_thread(check, hostile)


async def change(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(_CHANGE)


async def session_of(db: Database) -> int:
    async with db.read() as reader:
        session: int = await reader.fetchval("SELECT pg_backend_pid()")
        return session


async def find_read_only(way: str, db: Database, url: str) -> None:
    """Let one part of the shop find that its session is read-only, in its own way."""
    if way == "health":
        assert await db.is_read_only()
    elif way == "copy":
        with pytest.raises(DatabaseReadOnly):
            async with db.transaction() as tx:
                await tx.copy_records("genres", columns=["id", "name"], records=[("a", "b")])
    elif way == "queue":
        async with queue_connection(url, lease=timedelta(seconds=5)) as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.fetch(f"{_CHANGE} RETURNING 1")
    elif way == "cache":
        async with ReconnectingConnection(url, timeout=2) as session:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await (await session.get()).execute(_CHANGE)
    else:
        async with schema_connection(url) as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                async with connection.transaction():
                    await connection.execute(_CHANGE)


@needs_pgbouncer
class TestPooler:
    async def test_lets_guests_and_customers_shop_under_a_hostile_role(
        self, database_url: str, supplier: PausingClient
    ) -> None:
        async with (
            hostile_role(database_url, without=_NOT_FOR_POOLERS) as url,
            pooled(url) as through_pooler,
            open_shop(through_pooler) as shop,
        ):
            assert (await sync(shop, supplier)).state is RunState.COMPLETE
            game = next(iter((await read_games(shop)).values()))
            # Side by side, so that the pooler mixes their transactions on its connections.
            await asyncio.gather(*(visit(shop, game) for _ in range(3)))
            await assert_settings_are_ours(shop)

    async def test_keeps_no_session_that_was_read_only(self, database_url: str) -> None:
        async with pooled(database_url) as url, AsyncExitStack() as shop:
            async with refusing(database_url, "read-only"):
                db = await shop.enter_async_context(open_shop(url))
                for _ in range(3):
                    with pytest.raises(DatabaseReadOnly):
                        await change(db)
                assert await db.is_read_only()

            async def is_changed() -> bool:
                with suppress(DatabaseReadOnly):
                    await change(db)
                    return True
                return False

            async def is_writable() -> bool:
                return not await db.is_read_only()

            await wait_until(is_changed)
            # Each session that was read-only is replaced when it is used next.
            await wait_until(is_writable)

    @pytest.mark.parametrize("way", ["health", "copy", "queue", "cache", "schema"])
    async def test_is_asked_for_a_new_session_by_every_part(
        self, database_url: str, way: str
    ) -> None:
        async with (
            pooled(database_url, sessions=1) as url,
            refusing(database_url, "read-only"),
            open_shop(url) as db,
        ):
            before = await session_of(db)
            assert await session_of(db) == before
            await find_read_only(way, db, url)

            async def is_another() -> bool:
                return await session_of(db) != before

            await wait_until(is_another)

    async def test_is_told_in_its_own_words_why_it_refuses(self, database_url: str) -> None:
        async with pooled(database_url) as url:
            direct = url.replace("pgbouncer=true", "pgbouncer=false").replace("shop@", "shop:hush@")
            with (
                capture_logs() as logs,
                pytest.raises(DatabaseUnavailable, match=r"startup parameter.*pgbouncer=true"),
            ):
                async with open_shop(direct):
                    pass
            with pytest.raises(ServerRefused, match=r"startup parameter.*pgbouncer=true"):
                await asyncio.to_thread(check, direct)

        (line,) = logs
        assert line["event"] == "database.refused"
        assert "startup parameter" in line["reason"]
        assert "hush" not in str(logs)

    async def test_lets_one_sync_run_at_a_time(
        self, database_url: str, simulator_url: str, market: Market
    ) -> None:
        market.settings.requests_per_minute = None
        async with (
            pooled(database_url) as url,
            open_shop(url) as shop,
            open_shop(url) as other,
            open_client(simulator_url, pause_at=2) as held,
        ):
            first = asyncio.create_task(sync(shop, held))
            await held.paused.wait()
            # All of the pooler's other connections are used, and come back.
            await asyncio.gather(*(read_games(other) for _ in range(10)))
            with pytest.raises(SyncAlreadyRunning):
                await sync(other, held)

            held.resume.set()
            assert (await first).state is RunState.COMPLETE
            assert (await sync(other, held)).state is RunState.COMPLETE

    async def test_lets_the_worker_send_mails_without_notifications(
        self, database_url: str
    ) -> None:
        server, stop = MailServer(), asyncio.Event()
        async with serve(server) as port, pooled(database_url) as url, open_shop(url) as db:
            shop = ProbeShop(db, url, mailer=mailer_at(port), accounts=account_services())
            working = asyncio.create_task(
                run_worker(shop, handlers=HANDLERS, schedules=(), stop=stop)
            )

            async def has_no_job() -> bool:
                async with db.read() as reader:
                    return await list_jobs(reader, dead=False) == []

            async with open_browser(make_app(db)) as laptop:
                # The second customer registers while the worker waits for work.
                for customers in (1, 2):
                    await laptop.register()
                    await wait_until(has_no_job)
                    assert len(server.mails) == customers
            stop.set()
            await working
