import asyncio

import asyncpg
import pytest
from structlog.testing import capture_logs

from keyshop.kit.cache.control import read_control
from keyshop.schema.watch import check_schema, watch_schema
from tests.factories.syncs import wait_until
from tests.servers import connected


class TestCheck:
    @pytest.mark.parametrize(
        ("breaks", "repairs", "table"),
        [
            (
                "ALTER TABLE games DISABLE TRIGGER keyshop_cache_updated",
                "ALTER TABLE games ENABLE ALWAYS TRIGGER keyshop_cache_updated",
                "public.games",
            ),
            (
                "ALTER TABLE users RENAME COLUMN nickname TO nick",
                "ALTER TABLE users RENAME COLUMN nick TO nickname",
                "public.users",
            ),
            (
                "SET session_replication_role = replica",
                "RESET session_replication_role",
                "all tables",
            ),
        ],
    )
    async def test_closes_the_cache_until_what_is_missing_is_back(
        self, db_url: str, breaks: str, repairs: str, table: str
    ) -> None:
        async with connected(db_url) as connection:
            opened = await _open(connection)
            await connection.execute(breaks)
            with capture_logs() as logs:
                await check_schema(connection)
                await check_schema(connection)

            blocked = await read_control(connection)
            assert (blocked.is_open, blocked.cold_next, blocked.seq) == (False, True, opened + 1)
            assert table in str(blocked.blocked)
            assert len([line for line in logs if line["event"] == "cache.blocked"]) == 1
            assert not await _may_open(connection)

            await connection.execute(repairs)
            await check_schema(connection)
            assert (await read_control(connection)).blocked is None
            assert await _may_open(connection)

    async def test_changes_nothing_where_nothing_is_missing(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            opened = await _open(connection)
            await check_schema(connection)

            control = await read_control(connection)
            assert (control.is_open, control.seq) == (True, opened)


class TestWatch:
    async def test_ignores_the_statement_timeout_of_the_database(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            await _open(connection)
            name = await connection.fetchval("SELECT current_database()")
            await connection.execute(f"ALTER DATABASE \"{name}\" SET statement_timeout = '1ms'")
            await connection.execute("ALTER TABLE games DISABLE TRIGGER keyshop_cache_updated")

            async def is_blocked() -> bool:
                return (await read_control(connection)).blocked is not None

            watching = asyncio.create_task(watch_schema(db_url))
            await wait_until(is_blocked)
            watching.cancel()


async def _open(connection: asyncpg.Connection) -> int:
    assert await _may_open(connection)
    return (await read_control(connection)).seq


async def _may_open(connection: asyncpg.Connection) -> bool:
    seq = (await read_control(connection)).seq
    opened: bool = await connection.fetchval("SELECT keyshop.cache_open($1, 'redis-1')", seq)
    warm = await connection.fetchval("SELECT keyshop.cache_open_warm($1)", seq)
    return opened or warm
