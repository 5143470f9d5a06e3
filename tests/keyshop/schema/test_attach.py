import asyncio
from decimal import Decimal

import asyncpg
import pytest

from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.schema import connect
from keyshop.schema.attach import attach, check
from keyshop.schema.detach import detach
from keyshop.schema.errors import (
    AttachRefused,
    AttachUnfinished,
    ForeignDatabase,
    MigrationFailed,
    NothingToAttach,
)
from keyshop.schema.migrate import status, upgrade
from keyshop.schema.revisions import list_revisions, list_shop_indexes
from tests.keyshop.schema.prisma_database import describe_all
from tests.servers import Postgres, connected, copied_database

OUR_INDEXES = [
    index.plain_name for revision in list_revisions() for index in list_shop_indexes(revision)
]

_OPENING = "SELECT user_id, balance, ledger_total FROM keyshop.opening_balances ORDER BY 1"
_BALANCES_ADD_UP = "SELECT count(*) FROM keyshop.balances() WHERE balance <> expected"

_IS_WAITING_FOR_USERS = """
    SELECT count(*) FROM pg_locks AS held JOIN pg_locks AS wanted USING (pid)
    WHERE held.granted AND held.relation = 'games'::regclass
        AND held.mode = 'ShareRowExclusiveLock'
        AND NOT wanted.granted AND wanted.relation = 'users'::regclass
"""
_INVALID = """
    SELECT array_agg(relname::text) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE NOT indisvalid
"""
_TERMINATE_THE_BUILD = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%wishlist%'
        AND wait_event_type = 'Lock'
"""


async def attach_and_list_steps(url: str) -> list[str]:
    """Attach the database and return the reported steps."""
    steps: list[str] = []
    await asyncio.to_thread(attach, url, steps.append)
    return steps


def _ours(catalogues: list[str]) -> list[str]:
    """Return what keyshop added, without relations, whose owners differ."""
    return [
        line
        for line in catalogues
        if ("keyshop." in line or "keyshop_" in line) and not line.startswith("relation public")
    ]


class TestAttach:
    async def test_leaves_prismas_tables_and_rows_unchanged(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        catalogues, rows = await describe_all(prisma, "public")

        await attach_and_list_steps(prisma_url)

        after, rows_after = await describe_all(prisma, "public")
        added = set(after) - set(catalogues)
        ours = (
            "trigger public.",
            "index ",
            'relation public."keyshop_',
            "relation public.keyshop_",
            "column public.",
            "schema k",
        )
        assert set(catalogues) <= set(after)
        assert rows_after == rows
        assert added
        assert [line for line in added if "keyshop" not in line] == []
        assert [line for line in added if not line.startswith(ours)] == []

    async def test_ends_with_the_same_schema_as_an_upgrade_of_an_empty_database(
        self, prisma: asyncpg.Connection, prisma_url: str, db_url: str
    ) -> None:
        await attach_and_list_steps(prisma_url)

        async with connected(db_url) as other:
            made, _ = await describe_all(other, "public", "keyshop")
        attached, _ = await describe_all(prisma, "public", "keyshop")
        assert _ours(attached) == _ours(made)

    async def test_builds_all_indexes_concurrently(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        steps = await attach_and_list_steps(prisma_url)

        assert [step for step in steps if step.startswith("index")] == [
            f"index {name}" for name in OUR_INDEXES
        ]

    async def test_records_whole_balances_beside_the_sum_of_their_transactions(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await attach_and_list_steps(prisma_url)

        opening = [tuple(row) for row in await prisma.fetch(_OPENING)]
        assert opening == [
            ("alice", Decimal("8.50"), Decimal("8.50")),
            ("bob", Decimal("17.50"), Decimal("10.00")),
            ("carol", Decimal("-2.00"), Decimal("0.00")),
        ]
        assert await prisma.fetchval(_BALANCES_ADD_UP) == 0

    async def test_fills_the_search_tables_from_existing_games(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await attach_and_list_steps(prisma_url)

        assert await prisma.fetchval("SELECT count(*) FROM keyshop.game_facets") == 200

    async def test_is_shown_by_status_and_allows_upgrades(self, prisma_url: str) -> None:
        await attach_and_list_steps(prisma_url)

        found = await asyncio.to_thread(status, prisma_url)
        assert (found.state, found.pending, found.triggers) == ("ours", [], [])
        assert found.attachment
        assert found.attachment.finished_at
        assert await asyncio.to_thread(upgrade, prisma_url) == []

    async def test_ignores_the_roles_timeouts_and_isolation_level(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        name = await prisma.fetchval("SELECT current_database()")
        for limit in (
            "statement_timeout = '10ms'",
            "idle_in_transaction_session_timeout = '50ms'",
            "default_transaction_isolation = 'serializable'",
        ):
            await prisma.execute(f'ALTER DATABASE "{name}" SET {limit}')

        await attach_and_list_steps(prisma_url)

        assert await prisma.fetchval("SELECT count(*) FROM keyshop.game_facets") == 200

    async def test_refuses_an_attached_database(self, prisma_url: str) -> None:
        await attach_and_list_steps(prisma_url)

        with pytest.raises(NothingToAttach, match="attached already"):
            await attach_and_list_steps(prisma_url)

    async def test_runs_once_when_two_begin_together(self, prisma_url: str) -> None:
        done = await asyncio.gather(
            *(attach_and_list_steps(prisma_url) for _ in range(2)), return_exceptions=True
        )

        assert sorted(type(each).__name__ for each in done) == ["NothingToAttach", "list"]

    async def test_never_waits_for_a_second_one_that_waits_for_it(
        self, prisma_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The second one then has a statement running at nearly every moment.
        monkeypatch.setattr(connect, "_RETRY_DELAY", 0)

        async with asyncio.timeout(60):
            done = await asyncio.gather(
                *(attach_and_list_steps(prisma_url) for _ in range(2)), return_exceptions=True
            )

        assert sorted(type(each).__name__ for each in done) == ["NothingToAttach", "list"]


class TestRefusal:
    async def test_names_what_stops_it_and_changes_nothing(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await prisma.execute("ALTER TABLE games ALTER price TYPE double precision")
        before = await describe_all(prisma, "public", "keyshop")

        with pytest.raises(AttachRefused, match=r"games\.price: is double precision.*Nothing was"):
            await attach_and_list_steps(prisma_url)

        assert await describe_all(prisma, "public", "keyshop") == before

    async def test_refuses_databases_that_prisma_did_not_make(
        self, postgres_server: Postgres, db_url: str
    ) -> None:
        with pytest.raises(NothingToAttach, match="made by keyshop"):
            await attach_and_list_steps(db_url)
        async with copied_database(postgres_server, "template0") as empty:
            with pytest.raises(NothingToAttach, match="keyshop db upgrade"):
                await asyncio.to_thread(check, empty)

    async def test_names_attach_when_an_upgrade_finds_prismas_tables(self, prisma_url: str) -> None:
        with pytest.raises(ForeignDatabase, match="keyshop db attach --check"):
            await asyncio.to_thread(upgrade, prisma_url)


class TestBusyShop:
    async def test_never_loses_a_deadlock_against_attach(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        async with connected(prisma_url) as shop, shop.transaction():
            await shop.execute("UPDATE users SET balance = balance + 1 WHERE id = 'dave'")
            running = asyncio.create_task(attach_and_list_steps(prisma_url))
            async with asyncio.timeout(20):
                while not await prisma.fetchval(_IS_WAITING_FOR_USERS):
                    await prisma.execute("SELECT pg_sleep(0.01)")

            # Without the lock timeout, each would now wait for the other.
            await shop.execute("UPDATE games SET price = 3 WHERE id = 'g1'")
            await shop.execute("UPDATE users SET balance = balance - 1 WHERE id = 'dave'")

        await running
        assert (await asyncio.to_thread(status, prisma_url)).pending == []


class TestInterruptedAttach:
    @pytest.fixture
    async def interrupted(self, prisma: asyncpg.Connection, prisma_url: str) -> str:
        """A database whose attach stopped half-way, because a table was locked."""
        async with connected(prisma_url) as busy, busy.transaction():
            await busy.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
            with pytest.raises(MigrationFailed, match="lock timeout"):
                await attach_and_list_steps(prisma_url)
        return prisma_url

    async def test_is_shown_by_status_and_resumed(
        self, prisma: asyncpg.Connection, interrupted: str
    ) -> None:
        found = await asyncio.to_thread(status, interrupted)
        assert found.attachment
        assert found.attachment.finished_at is None
        with pytest.raises(AttachUnfinished, match="keyshop db attach"):
            await asyncio.to_thread(upgrade, interrupted)

        await attach_and_list_steps(interrupted)

        assert (await asyncio.to_thread(status, interrupted)).pending == []
        assert await prisma.fetchval(_BALANCES_ADD_UP) == 0

    async def test_can_be_undone(self, prisma: asyncpg.Connection, interrupted: str) -> None:
        await asyncio.to_thread(detach, interrupted)
        assert (await asyncio.to_thread(status, interrupted)).state == "foreign"
        await attach_and_list_steps(interrupted)

    async def test_rebuilds_an_invalid_index(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        # CREATE INDEX CONCURRENTLY waits for transactions that write to the table.
        async with connected(prisma_url) as busy, busy.transaction():
            await busy.execute("DELETE FROM wishlist")
            running = asyncio.create_task(attach_and_list_steps(prisma_url))
            async with asyncio.timeout(20):
                while not await prisma.fetchval(_TERMINATE_THE_BUILD):
                    await prisma.execute("SELECT pg_sleep(0.02)")
            with pytest.raises(DatabaseUnavailable):
                await running
        assert await prisma.fetchval(_INVALID) == ["keyshop_wishlist_gameId_idx"]

        steps = await attach_and_list_steps(prisma_url)

        assert [step for step in steps if step.startswith("index")] == [
            "index keyshop_wishlist_gameId_idx",
            "index keyshop_games_popular_idx",
            "index keyshop_games_in_stock_popular_idx",
        ]
        assert await prisma.fetchval(_INVALID) is None
        assert (await asyncio.to_thread(status, prisma_url)).pending == []
