"""Attaching a shop on Prisma from the terminal, running keyshop on it, and detaching it."""

import asyncio
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess

import asyncpg
import pytest

from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from tests.factories.games import make_game
from tests.factories.sessions import add_user
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop, running
from tests.keyshop.entrypoints.cli.test_commands import document_of
from tests.keyshop.schema.prisma_database import describe_all, make_prisma_database
from tests.servers import Postgres, connected, copied_database


@pytest.fixture
async def prisma_url(postgres_server: Postgres) -> AsyncIterator[str]:
    """The URL of a database that Prisma made, with a shop's data."""
    async with copied_database(postgres_server, "template0") as url:
        async with connected(url) as connection:
            await make_prisma_database(connection)
        yield url


@pytest.fixture
async def prisma(prisma_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it."""
    async with connected(prisma_url) as connection:
        yield connection


class TestAttach:
    async def test_reports_each_step_and_can_be_undone(
        self, home: Path, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await prisma.execute("UPDATE users SET email = 'Dave@Example.com' WHERE id = 'dave'")
        before = await describe_all(prisma, "public", "keyshop")

        async def run(*words: str) -> CompletedProcess[str]:
            return await asyncio.to_thread(run_keyshop, *words, home=home, DATABASE_URL=prisma_url)

        # The check changes nothing.
        looked = await run("db", "attach", "--check")
        assert looked.returncode == 0, looked.stderr
        assert "_prisma_migrations" in looked.stdout
        assert "address is not in its normal form: 1." in looked.stdout
        assert looked.stdout.strip().endswith("can take over this database; nothing was changed.")
        assert await describe_all(prisma, "public", "keyshop") == before

        # Each step is reported while it runs.
        attached = await run("db", "attach", "--json")
        assert attached.returncode == 0, attached.stderr
        assert "Adding index keyshop_wishlist_gameId_idx ..." in attached.stderr
        document = document_of(attached)
        assert isinstance(document, dict)
        assert document["opening_balances"] == 2

        # From now on it is a database like any other.
        status = (await run("db", "status")).stdout
        assert re.match(r"The database was made by Prisma and attached at \d{4}-", status)
        assert "address is not in its normal form: 1." in status
        assert "nothing was changed" in (await run("db", "upgrade")).stdout
        again = await run("db", "attach")
        assert (again.returncode, "attached already" in again.stderr) == (1, True)

        # The simulator's prices never reach a real shop.
        refused = await run("sync", "stock")
        assert (refused.returncode, "G2A_API_URL" in refused.stderr) == (1, True)

        detached = await run("db", "detach")
        assert "waiting jobs" in detached.stdout
        assert await describe_all(prisma, "public", "keyshop") == before

    async def test_is_refused_with_a_list_of_the_faults(
        self, home: Path, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await prisma.execute("DROP INDEX public.users_email_key")

        for command in (["--check"], ["--check", "--json"], []):
            refused = await asyncio.to_thread(
                run_keyshop, "db", "attach", *command, home=home, DATABASE_URL=prisma_url
            )
            assert refused.returncode == 1
            assert "users_email_key" in refused.stdout + refused.stderr
            assert "Traceback" not in refused.stderr

    async def test_reports_a_trigger_that_is_missing(self, home: Path, database_url: str) -> None:
        async with connected(database_url) as connection:
            await connection.execute("DROP TRIGGER keyshop_facets_inserted ON games")

        done = await asyncio.to_thread(
            run_keyshop, "db", "status", home=home, DATABASE_URL=database_url
        )

        assert done.returncode == 0
        assert "keyshop_facets_inserted" in done.stdout
        assert "missing" in done.stdout

    async def test_counts_games_without_a_price(
        self, home: Path, db: Database, database_url: str
    ) -> None:
        await make_game(db, price=Decimal("NaN"))

        done = await asyncio.to_thread(
            run_keyshop, "db", "status", home=home, DATABASE_URL=database_url
        )

        assert "price is not a number, and which the shop hides: 1." in done.stdout

    async def test_counts_amounts_that_are_not_a_number(
        self, home: Path, db: Database, database_url: str
    ) -> None:
        alice = await add_user(db, balance=Decimal("NaN"))
        await add_user(db, balance=Decimal("-12.30"))
        async with db.transaction() as tx:
            for discount in ("NaN", "1.50"):
                await tx.execute(
                    """INSERT INTO orders (id, "userId", status, subtotal, discount, total)
                    VALUES ($1, $2, 'COMPLETED', 10, $3::text::numeric, 10)""",
                    new_id(), alice.id, discount,
                )  # fmt: skip

        done = await asyncio.to_thread(
            run_keyshop, "db", "status", home=home, DATABASE_URL=database_url
        )

        assert "not a number, and which the shop shows as 0: 2." in done.stdout


class TestUp:
    async def test_runs_on_an_attached_shop_and_puts_nothing_into_it(
        self, home: Path, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await asyncio.to_thread(run_keyshop, "db", "attach", home=home, DATABASE_URL=prisma_url)
        _, before = await describe_all(prisma, "public")

        with running(home, "up", DATABASE_URL=prisma_url, CACHE_MODE="off") as shop:
            games = await asyncio.to_thread(shop.get_json, "/api/games?pageSize=5")
            assert games["data"]["total"] == 200
            assert shop.get_process("keyshop", "worker")
            assert "no supplier is configured" in shop.log.read_text()

        _, after = await describe_all(prisma, "public")
        assert after == before
        assert await prisma.fetchval("SELECT count(*) FROM keyshop.sync_runs") == 0
