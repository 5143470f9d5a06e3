import asyncio
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import pytest

from keyshop.kit.database.errors import DatabaseUnavailable, PrivilegeMissing
from keyshop.schema.attach import attach, check
from keyshop.schema.connect import connected
from keyshop.schema.detach import detach
from keyshop.schema.errors import (
    ForeignDatabase,
    MigrationFailed,
    NewerDatabase,
    ServerRefused,
    StatementCancelled,
    UnreleasedDatabase,
)
from keyshop.schema.migrate import status, upgrade
from keyshop.schema.revisions import UNRELEASED_IDS, list_revisions, sql_of
from tests.factories.hostile import powerless_role


async def run(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def everything(url: str) -> list[str]:
    """Return every schema, relation and type."""
    connection = await asyncpg.connect(url)
    try:
        lines = await connection.fetch("""
            SELECT nspname, '' AS name, '' AS kind FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
            UNION ALL
            SELECT relnamespace::regnamespace::text, relname, relkind::text FROM pg_class
            UNION ALL
            SELECT typnamespace::regnamespace::text, typname, typtype::text FROM pg_type
            ORDER BY 1, 2, 3
        """)
        return [" ".join(line) for line in lines]
    finally:
        await connection.close()


_A_SHOP_WITH_AN_ORDER = """
    INSERT INTO users (id, email, "passwordHash", "updatedAt") VALUES ('u', 'a@b.c', 'x', now());
    INSERT INTO games (id, title, slug, description, price, image, "releaseDate", "updatedAt")
        VALUES ('g', 'Title', 'title', 'Words', 1.23, '', now(), now());
    INSERT INTO genres (id, name, slug) VALUES ('a', 'Action', 'action');
    INSERT INTO game_genres ("gameId", "genreId") VALUES ('g', 'a');
    INSERT INTO orders (id, "userId", subtotal, total) VALUES ('o', 'u', 1.23, 1.23);
    INSERT INTO order_items (id, "orderId", "gameId", price) VALUES ('i', 'o', 'g', 1.23);
    INSERT INTO game_keys (id, "gameId", key, "orderId") VALUES ('k', 'g', 'AAA', 'o');
    INSERT INTO cart_items ("userId", "gameId") VALUES ('u', 'g');
"""


_TERMINATE_WAITING = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


_IS_A_LOCK_AWAITED: Final = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    )
"""


async def rows_of_public(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Return every row of every table in schema public, as text."""
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {
        name: [text for (text,) in await connection.fetch(f"SELECT t::text FROM public.{name} t")]
        for (name,) in tables
    }


class TestEmptyDatabase:
    async def test_is_recognised(self, empty_database: str) -> None:
        found = await asyncio.to_thread(status, empty_database)
        assert (found.state, found.current) == ("empty", None)
        assert found.pending[0].endswith("_0001_prisma_tables")

    async def test_goes_to_the_newest_revision(self, empty_database: str) -> None:
        before = await asyncio.to_thread(status, empty_database)
        assert await asyncio.to_thread(upgrade, empty_database) == before.pending

        after = await asyncio.to_thread(status, empty_database)
        assert (after.state, after.current, after.pending) == ("ours", after.head, [])
        assert await asyncio.to_thread(upgrade, empty_database) == []

    async def test_may_hold_an_extension_of_the_host(self, empty_database: str) -> None:
        # Any extension that brings a relation would do.
        connection = await asyncpg.connect(empty_database)
        try:
            available = await connection.fetchval(
                "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'"
            )
            if not available:
                pytest.skip("this server brings no extension with a view")
            await connection.execute("CREATE EXTENSION pg_stat_statements")
        finally:
            await connection.close()
        assert (await asyncio.to_thread(status, empty_database)).state == "empty"

    async def test_accepts_prismas_url_parameters(self, empty_database: str) -> None:
        mark = "&" if urlsplit(empty_database).query else "?"
        url = f"{empty_database}{mark}schema=public&connection_limit=5&pgbouncer=true"
        assert await asyncio.to_thread(upgrade, url)


class TestConcurrentUpgrades:
    async def test_share_the_work(self, empty_database: str) -> None:
        pending = (await asyncio.to_thread(status, empty_database)).pending
        done = await asyncio.gather(*(asyncio.to_thread(upgrade, empty_database) for _ in range(3)))
        assert sorted(name for names in done for name in names) == pending


class TestForeignDatabase:
    @pytest.mark.parametrize(
        ("statement", "named"),
        [
            ("CREATE TABLE _prisma_migrations (id text)", "public._prisma_migrations"),
            ('CREATE TABLE "Customers" (id text)', 'public."Customers"'),
            ("CREATE VIEW shown AS SELECT 1 AS one", "public.shown"),
            ("CREATE TYPE \"Role\" AS ENUM ('USER')", 'public."Role"'),
            ("CREATE SCHEMA keyshop CREATE TABLE games (id text)", "keyshop.games"),
            (
                "CREATE SCHEMA keyshop CREATE TABLE alembic_version (version_num text)",
                "keyshop.alembic_version",
            ),
        ],
    )
    async def test_is_refused_and_left_unchanged(
        self, empty_database: str, statement: str, named: str
    ) -> None:
        await run(empty_database, statement)
        before = await everything(empty_database)

        with pytest.raises(ForeignDatabase, match="nothing was changed") as refusal:
            await asyncio.to_thread(upgrade, empty_database)

        assert named in str(refusal.value)
        assert await everything(empty_database) == before
        assert (await asyncio.to_thread(status, empty_database)).state == "foreign"

    async def test_with_all_of_prismas_tables_is_refused(self, empty_database: str) -> None:
        await asyncio.to_thread(upgrade, empty_database)
        await run(empty_database, "DROP SCHEMA keyshop CASCADE")
        before = await everything(empty_database)
        with pytest.raises(ForeignDatabase, match=r"public.articles.* and 24 more"):
            await asyncio.to_thread(upgrade, empty_database)
        assert await everything(empty_database) == before


class TestOlderDatabase:
    async def test_keeps_its_data(self, empty_database: str) -> None:
        first, *later = list_revisions()
        connection = await asyncpg.connect(empty_database)
        try:
            await connection.execute(sql_of(first))
            await connection.execute(_A_SHOP_WITH_AN_ORDER)
            before = await rows_of_public(connection)

            assert await asyncio.to_thread(upgrade, empty_database) == [r.name for r in later]

            assert await rows_of_public(connection) == before
        finally:
            await connection.close()


class TestLiveShop:
    async def test_never_loses_a_deadlock_against_an_upgrade(self, empty_database: str) -> None:
        # The next revision locks tables that a running shop writes.
        before = [revision for revision in list_revisions() if revision.id < "0009"]
        async with connected(empty_database) as shop, connected(empty_database) as onlooker:
            for revision in before:
                await shop.execute(sql_of(revision))
            await shop.execute(_A_SHOP_WITH_AN_ORDER)
            async with shop.transaction():
                await shop.execute('UPDATE sessions SET "expiresAt" = now()')
                running = asyncio.create_task(asyncio.to_thread(upgrade, empty_database))
                async with asyncio.timeout(20):
                    while not await onlooker.fetchval(_IS_A_LOCK_AWAITED):
                        await onlooker.execute("SELECT pg_sleep(0.01)")

                # Tables that the upgrade may have locked already.
                await shop.execute("UPDATE users SET balance = 1")
                await shop.execute("UPDATE games SET price = 3")

            assert await running


class TestNewerDatabase:
    async def test_is_refused(self, empty_database: str) -> None:
        await asyncio.to_thread(upgrade, empty_database)
        await run(empty_database, "UPDATE keyshop.alembic_version SET version_num = '9999'")
        assert (await asyncio.to_thread(status, empty_database)).state == "newer"
        with pytest.raises(NewerDatabase, match="9999"):
            await asyncio.to_thread(upgrade, empty_database)


class TestUnreleasedDatabase:
    @pytest.fixture
    async def unreleased_database(self, empty_database: str) -> str:
        """A database whose stored revision was rewritten before the first release."""
        await asyncio.to_thread(upgrade, empty_database)
        await run(empty_database, _A_SHOP_WITH_AN_ORDER)
        await run(empty_database, "UPDATE keyshop.alembic_version SET version_num = '0010'")
        return empty_database

    def test_has_an_id_that_no_revision_has(self) -> None:
        assert "0010" in UNRELEASED_IDS
        assert UNRELEASED_IDS.isdisjoint(revision.id for revision in list_revisions())

    async def test_is_refused_and_left_unchanged(self, unreleased_database: str) -> None:
        before = await everything(unreleased_database)

        with pytest.raises(UnreleasedDatabase, match=r"0010.*nothing was changed.*KEYSHOP_HOME"):
            await asyncio.to_thread(upgrade, unreleased_database)
        with pytest.raises(UnreleasedDatabase, match="0010"):
            await asyncio.to_thread(check, unreleased_database)

        found = await asyncio.to_thread(status, unreleased_database)
        assert (found.state, found.current, found.pending) == ("unreleased", "0010", [])
        assert await everything(unreleased_database) == before

    async def test_keeps_the_shops_rows_when_it_is_attached_without_schema_keyshop(
        self, unreleased_database: str
    ) -> None:
        async with connected(unreleased_database) as connection:
            before = await rows_of_public(connection)
            await connection.execute("DROP SCHEMA keyshop CASCADE")

            await asyncio.to_thread(attach, unreleased_database, lambda _: None)

            assert await rows_of_public(connection) == before
        found = await asyncio.to_thread(status, unreleased_database)
        assert (found.state, found.pending, found.triggers) == ("ours", [], [])

    async def test_is_detached_and_attached_again_if_it_was_attached(
        self, unreleased_database: str
    ) -> None:
        await run(
            unreleased_database,
            "INSERT INTO keyshop.attachment (begun_at, finished_at) VALUES (now(), now())",
        )
        with pytest.raises(UnreleasedDatabase, match=r"db detach.*db attach"):
            await asyncio.to_thread(upgrade, unreleased_database)
        with pytest.raises(UnreleasedDatabase, match=r"db detach.*db attach"):
            await asyncio.to_thread(attach, unreleased_database, lambda _: None)

        await asyncio.to_thread(detach, unreleased_database)
        await asyncio.to_thread(attach, unreleased_database, lambda _: None)

        assert (await asyncio.to_thread(status, unreleased_database)).state == "ours"


class TestRefusedRevision:
    async def test_is_rolled_back_and_named(self, empty_database: str) -> None:
        name = urlsplit(empty_database).path[1:]
        await run(
            empty_database,
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on',
        )
        before = await everything(empty_database)
        with pytest.raises(MigrationFailed, match=r"0001_prisma_tables.*read-only"):
            await asyncio.to_thread(upgrade, empty_database)
        assert await everything(empty_database) == before

    async def test_ignores_the_statement_timeout_of_the_database(self, empty_database: str) -> None:
        name = urlsplit(empty_database).path[1:]
        await run(empty_database, f"ALTER DATABASE \"{name}\" SET statement_timeout = '1ms'")
        assert await asyncio.to_thread(upgrade, empty_database)
        assert (await asyncio.to_thread(status, empty_database)).state == "ours"

    async def test_fails_when_a_lock_stays_held(self, empty_database: str) -> None:
        busy = await asyncpg.connect(empty_database)
        try:
            async with busy.transaction():
                await busy.execute("CREATE SCHEMA keyshop")
                with pytest.raises(MigrationFailed, match="lock timeout"):
                    await asyncio.to_thread(upgrade, empty_database)
        finally:
            await busy.close()
        assert await asyncio.to_thread(upgrade, empty_database)


class TestServer:
    async def test_that_cancels_a_statement_is_reported(self, empty_database: str) -> None:
        async def sleep() -> None:
            async with connected(empty_database) as connection:
                await connection.execute("SET statement_timeout = '50ms'")
                await connection.execute("SELECT pg_sleep(60)")

        with pytest.raises(StatementCancelled, match=r"statement timeout\. Run"):
            await sleep()

    async def test_that_refuses_the_role_is_told_in_its_words(self, database_url: str) -> None:
        async with powerless_role(database_url) as url:
            with pytest.raises(PrivilegeMissing, match="permission denied for schema keyshop"):
                await asyncio.to_thread(upgrade, url)

    async def test_that_disconnects_during_an_upgrade_is_reported(
        self, empty_database: str
    ) -> None:
        busy = await asyncpg.connect(empty_database)
        # A separate connection: within a transaction, pg_stat_activity would not change.
        administrator = await asyncpg.connect(empty_database)
        try:
            async with busy.transaction(), asyncio.timeout(20):
                await busy.execute("CREATE SCHEMA keyshop")
                running = asyncio.create_task(asyncio.to_thread(upgrade, empty_database))
                while not await administrator.fetchval(_TERMINATE_WAITING):
                    await administrator.execute("SELECT pg_sleep(0.01)")
                with pytest.raises(DatabaseUnavailable):
                    await running
        finally:
            await busy.close()
            await administrator.close()
        assert (await asyncio.to_thread(status, empty_database)).state == "empty"

    async def test_that_does_not_answer_is_reported(self) -> None:
        with pytest.raises(DatabaseUnavailable):
            await asyncio.to_thread(upgrade, "postgresql://keyshop@127.0.0.1:1/shop")

    async def test_without_the_database_is_reported(self, empty_database: str) -> None:
        name = urlsplit(empty_database).path[1:]
        url = empty_database.replace(name, f"{name}_missing")
        with pytest.raises(ServerRefused, match="does not exist"):
            await asyncio.to_thread(status, url)
