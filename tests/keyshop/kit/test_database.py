"""The pool: times, transactions, locks, and lost servers."""

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from structlog.testing import capture_logs

from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.codecs import _decode_timestamp, _encode_timestamp, row, rows
from keyshop.kit.database.errors import DatabaseBusy, DatabaseUnavailable, TablesChanged
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import Invalid
from keyshop.schema.migrate import upgrade
from tests.keyshop.embedded.users import get_server, kill
from tests.keyshop.entrypoints.worker.conftest import until
from tests.servers import FAST, connected, open_home

NOON = datetime(2026, 6, 15, 12, 0, 0, 123000, tzinfo=UTC)


class Tag(Struct, frozen=True):
    id: str
    name: str


@pytest_asyncio.fixture
async def notes(db: Database) -> Database:
    """A database with a table for these tests."""
    async with db.transaction() as tx:
        await tx.execute(
            "CREATE TABLE notes (id TEXT PRIMARY KEY, at TIMESTAMP(3), price NUMERIC(10, 2))"
        )
    return db


async def add(db: Database, note: str) -> None:
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO notes (id) VALUES ($1)", note)


async def ids(db: Database) -> list[str]:
    async with db.read() as reader:
        return [found["id"] for found in await reader.fetch("SELECT id FROM notes ORDER BY id")]


class TestTimes:
    @given(st.datetimes(timezones=st.just(UTC)))
    def test_are_decoded_to_the_encoded_value(self, moment):
        assert _decode_timestamp(_encode_timestamp(moment)) == moment

    async def test_are_stored_and_read_in_utc(self, notes):
        elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
        async with notes.transaction() as tx:
            await tx.execute("INSERT INTO notes (id, at) VALUES ('one', $1)", elsewhere)
            await tx.copy_records("notes", columns=["id", "at"], records=[("two", elsewhere)])

        async with notes.read() as reader:
            found = await reader.fetch("SELECT at, at::text AS text FROM notes")

        assert [record["at"] for record in found] == [NOON, NOON]
        assert all(record["at"].tzinfo is UTC for record in found)
        assert {record["text"] for record in found} == {"2026-06-15 12:00:00.123"}

    async def test_of_infinity_are_the_last_and_the_first_datetime(self, notes):
        async with notes.read() as reader:
            latest = await reader.fetchval("SELECT 'infinity'::timestamp")
            earliest = await reader.fetchval("SELECT '-infinity'::timestamp")

        assert latest == datetime.max.replace(tzinfo=UTC)
        assert earliest == datetime.min.replace(tzinfo=UTC)

    async def test_without_a_zone_are_refused(self, notes):
        with pytest.raises(asyncpg.DataError):
            async with notes.transaction() as tx:
                await tx.execute(
                    "INSERT INTO notes (id, at) VALUES ('one', $1)", NOON.replace(tzinfo=None)
                )

        assert await ids(notes) == []

    async def test_of_the_server_are_utc_whatever_its_own_zone_is(self, db):
        async with db.read() as reader:
            assert await reader.fetchval("SHOW timezone") == "UTC"


class TestTransaction:
    async def test_commits_when_its_block_ends(self, notes):
        async with notes.transaction() as tx:
            touched = await tx.execute("INSERT INTO notes (id) VALUES ('one'), ('two')")

        assert touched == 2
        assert await ids(notes) == ["one", "two"]

    async def test_leaves_nothing_behind_when_its_block_raises(self, notes):
        async def fail() -> None:
            async with notes.transaction() as tx:
                await tx.execute("INSERT INTO notes (id) VALUES ('one')")
                _ = 1 / 0

        with pytest.raises(ZeroDivisionError):
            await fail()

        assert await ids(notes) == []

    async def test_refuses_a_nested_transaction(self, notes):
        with pytest.raises(RuntimeError, match="open already"):
            async with notes.transaction():
                await add(notes, "inner")

        assert await ids(notes) == []
        # The refusal ends with the outer transaction.
        await add(notes, "after")

    async def test_that_is_cancelled_leaves_no_open_transaction(self, notes, database_url):
        written = asyncio.Event()

        async def write() -> None:
            async with notes.transaction() as tx:
                await tx.execute("INSERT INTO notes (id) VALUES ('one')")
                written.set()
                await tx.fetchval("SELECT pg_sleep(60)")

        writing = asyncio.create_task(write())
        await written.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

        async with connected(database_url) as admin:
            open_ones = await admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
            )
        assert open_ones == 0
        assert await ids(notes) == []
        # Its connection can be used again.
        await asyncio.gather(*(add(notes, str(number)) for number in range(20)))
        assert len(await ids(notes)) == 20

    async def test_of_several_rows_is_one_round_trip_that_counts(self, notes):
        async with notes.transaction() as tx:
            await tx.execute_many("INSERT INTO notes (id) VALUES ($1)", [("a",), ("b",)])
            assert await tx.execute("UPDATE notes SET at = NULL WHERE id = 'a'") == 1
            assert await tx.execute("DELETE FROM notes WHERE id = 'missing'") == 0
            assert await tx.execute("CREATE TEMPORARY TABLE t (i INT)") == 0


class TestHeldRow:
    async def test_is_not_waited_for_beyond_the_lock_timeout(self, notes, database_url):
        await add(notes, "one")
        hasty = Database(database_url, guard=RedisCommitGuard(None), lock_timeout=0.1)
        await hasty.open()

        async with notes.transaction() as holding:
            await holding.execute("SELECT FROM notes FOR UPDATE")
            with pytest.raises(DatabaseBusy):
                await asyncio.create_task(forget_all(hasty), context=Context())
        await forget_all(hasty)

        assert await ids(notes) == []
        await hasty.close()


async def forget_all(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute("DELETE FROM notes")


class TestRefusedRow:
    async def test_is_named_by_its_constraint_and_never_shown(self, notes):
        private = "private." + "person@example.com"
        await add(notes, private)
        add_many = "INSERT INTO notes (id) VALUES ($1)"

        with pytest.raises(asyncpg.UniqueViolationError) as single:
            await add(notes, private)
        with pytest.raises(asyncpg.UniqueViolationError) as one_of_many:
            async with notes.transaction() as tx:
                await tx.execute_many(add_many, [("other",), (private,)])
        with pytest.raises(asyncpg.UniqueViolationError) as copied:
            async with notes.transaction() as tx:
                await tx.copy_records("notes", columns=["id"], records=[(private,)])

        for refused in (single.value, one_of_many.value, copied.value):
            texts = [*traceback.format_exception(refused), str(refused.as_dict())]
            assert private not in "".join(texts)
            assert refused.constraint_name == "notes_pkey"


class TestRows:
    async def test_become_structs_by_the_names_of_their_columns(self, db):
        async with db.read() as reader:
            found = await reader.fetch("SELECT '2' AS id, 'b' AS name UNION ALL SELECT '1', 'a'")

        assert rows(Tag, found) == [Tag("2", "b"), Tag("1", "a")]
        assert row(Tag, found[0]) == Tag("2", "b")

    async def test_hold_money_as_decimal(self, notes):
        async with notes.transaction() as tx:
            await tx.execute("INSERT INTO notes (id, price) VALUES ('a', $1)", Decimal("0.10"))
            found = await tx.fetchrow("SELECT price FROM notes")

        assert found is not None
        assert found["price"] == Decimal("0.10")
        assert isinstance(found["price"], Decimal)


class TestLock:
    async def test_leaves_a_connection_to_work_on_where_only_one_is_allowed(self, database_url):
        narrow = Database(f"{database_url}?connection_limit=1", guard=RedisCommitGuard(None))
        await narrow.open()

        async with narrow.hold_lock("a run") as held, narrow.transaction() as tx:
            found = await tx.fetchval("SELECT 1")

        assert (held, found) == (True, 1)
        await narrow.close()

    async def test_has_one_holder_among_all_pools(self, db, database_url):
        other = Database(database_url, guard=RedisCommitGuard(None))
        await other.open()
        async with (
            db.hold_lock("sync") as first,
            other.hold_lock("sync") as second,
            other.hold_lock("another name") as third,
        ):
            assert (first, second, third) == (True, False, True)

        async with other.hold_lock("sync") as freed:
            assert freed
        await other.close()

    async def test_is_free_after_a_failure(self, db):
        with pytest.raises(ZeroDivisionError):
            async with db.hold_lock("sync"):
                _ = 1 / 0

        async with db.hold_lock("sync") as again:
            assert again

    async def test_of_another_process_is_free_once_that_is_killed(self, db, database_url):
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _HOLDER, database_url, stdout=asyncio.subprocess.PIPE
        )
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"True\n"
        async with db.hold_lock("sync") as held:
            assert not held

        holder.kill()
        await holder.wait()

        async def is_free() -> bool:
            async with db.hold_lock("sync") as held:
                return bool(held)

        await until(is_free)


_HOLDER = """
import asyncio, sys
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database

async def hold():
    db = Database(sys.argv[1], guard=RedisCommitGuard(None))
    await db.open()
    async with db.hold_lock("sync") as held:
        print(held, flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


@pytest.fixture(scope="module")
def own_server():
    """A PostgreSQL that these tests may kill."""
    with open_home() as folder, PostgresServer(folder / "home", settings=FAST) as server:
        upgrade(server.url)
        yield server


@pytest_asyncio.fixture
async def fragile(own_server: PostgresServer) -> AsyncIterator[Database]:
    database = Database(own_server.url, min_size=2, guard=RedisCommitGuard(None))
    await database.open()
    yield database
    await database.close()
    own_server.ensure()


def kill_server(server: PostgresServer) -> None:
    kill(get_server(server.folder.parent, "postgres"))


async def was_taken_back(tx: Transaction) -> bool:
    """Test whether the pool has taken the connection away from the transaction."""
    try:
        tx.raw.is_closed()
    except asyncpg.InterfaceError:
        return True
    return False


class TestLostServer:
    async def test_is_reported_by_reads_and_new_transactions(self, fragile, own_server):
        kill_server(own_server)

        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            async with fragile.read() as reader:
                await reader.fetchval("SELECT 1")
        with pytest.raises(DatabaseUnavailable):
            async with fragile.transaction() as tx:
                await tx.execute("SELECT 1")
        with pytest.raises(DatabaseUnavailable):
            async with fragile.hold_lock("sync"):
                pass

    async def test_is_reported_by_a_statement_inside_a_transaction(self, fragile, own_server):
        async def work() -> None:
            async with fragile.transaction() as tx:
                await tx.fetchval("SELECT 1")
                kill_server(own_server)
                await tx.fetchval("SELECT 2")

        with pytest.raises(DatabaseUnavailable):
            await work()

    async def test_is_reported_when_only_this_connection_was_lost_and_taken_back(self, db):
        async def work() -> None:
            async with db.transaction() as tx, db.read() as other:
                own = await tx.fetchval("SELECT pg_backend_pid()")
                await other.fetchval("SELECT pg_terminate_backend($1, 5000)", own)
                await until(lambda: was_taken_back(tx))
                await tx.fetchval("SELECT 2")

        with pytest.raises(DatabaseUnavailable):
            await work()

    async def test_is_reported_by_a_lock_at_its_end(self, fragile, own_server):
        async with fragile.hold_lock("sync") as held:
            kill_server(own_server)

        assert held

    async def test_is_reported_by_a_running_statement(self, fragile, own_server):
        async with fragile.read() as reader:
            waiting = asyncio.create_task(reader.fetchval("SELECT pg_sleep(60)"))
            await asyncio.sleep(0)
            kill_server(own_server)

            with pytest.raises(DatabaseUnavailable):
                await waiting

    async def test_is_reported_by_the_commit(self, fragile, own_server):
        async def work() -> None:
            async with fragile.transaction() as tx:
                await tx.fetchval("SELECT 1")
                kill_server(own_server)

        with pytest.raises(DatabaseUnavailable):
            await work()

    async def test_does_not_hide_what_failed_before(self, fragile, own_server):
        async def work() -> None:
            async with fragile.transaction():
                kill_server(own_server)
                _ = 1 / 0

        with pytest.raises(ZeroDivisionError):
            await work()
        with pytest.raises(DatabaseUnavailable):
            async with fragile.read() as reader:
                await reader.fetchval("SELECT 1")

    async def test_is_used_again_when_it_is_back(self, fragile, own_server):
        kill_server(own_server)
        with pytest.raises(DatabaseUnavailable):
            async with fragile.read() as reader:
                await reader.fetchval("SELECT 1")

        await asyncio.to_thread(own_server.ensure)

        async def works() -> int:
            async with fragile.transaction() as tx:
                answer: int = await tx.fetchval("SELECT 1")
                return answer

        assert await asyncio.gather(*(works() for _ in range(20))) == [1] * 20

    async def test_lets_the_pool_close(self, fragile, own_server):
        kill_server(own_server)

        async with asyncio.timeout(8):
            await fragile.close()


class TestDatabase:
    async def test_that_does_not_answer_is_reported_at_opening(self):
        with pytest.raises(DatabaseUnavailable):
            await Database(
                "postgresql://nobody@127.0.0.1:1/nothing", guard=RedisCommitGuard(None)
            ).open()

    async def test_that_was_not_opened_is_unavailable(self):
        with pytest.raises(DatabaseUnavailable):
            async with Database(
                "postgresql://nobody@127.0.0.1:1/nothing", guard=RedisCommitGuard(None)
            ).read():
                pass

    def test_refuses_an_invalid_address(self):
        with pytest.raises(Invalid, match="DATABASE_URL"):
            Database("nonsense", guard=RedisCommitGuard(None))

    async def test_takes_no_more_connections_than_its_address_allows(self, database_url):
        db = Database(f"{database_url}?connection_limit=2", guard=RedisCommitGuard(None))
        await db.open()

        async def backend() -> int:
            async with db.read() as reader:
                pid: int = await reader.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.01)")
                return pid

        assert len(set(await asyncio.gather(*(backend() for _ in range(10))))) <= 2
        await db.close()


class TestRefusedConnection:
    async def test_is_explained_by_the_server_without_the_password(self, database_url: str) -> None:
        if urlsplit(database_url).password is None:
            pytest.skip("this server asks for no password")
        login, at, address = database_url.rpartition("@")
        wrong = f"{login.rpartition(':')[0]}:hush{at}{address}"
        with (
            capture_logs() as logs,
            pytest.raises(DatabaseUnavailable, match="password authentication failed"),
        ):
            await Database(wrong, guard=RedisCommitGuard(None)).open()

        (line,) = logs
        assert line["reason"] == 'password authentication failed for user "keyshop"'
        assert "hush" not in str(logs)


_RETYPE = "ALTER TABLE public.games ALTER COLUMN title TYPE varchar(900)"
_RETYPE_BACK = "ALTER TABLE public.games ALTER COLUMN title TYPE text"
_TITLES = "SELECT id, title FROM games"
_NOTE = "INSERT INTO rate_notes (note) VALUES ($1)"
_KINDS = """
    CREATE TYPE public."Kind" AS ENUM ('GOOD', 'BAD');
    CREATE TABLE public.notes (kind public."Kind");
    INSERT INTO public.notes VALUES ('GOOD');
"""
_COUNT_GOOD = "SELECT count(*) FROM notes WHERE kind = $1"
# As Prisma changes an enum.
_KINDS_ANEW = """
    CREATE TYPE public."Kind_new" AS ENUM ('GOOD', 'NEUTRAL');
    ALTER TABLE public.notes ALTER COLUMN kind TYPE public."Kind_new"
        USING kind::text::public."Kind_new";
    ALTER TYPE public."Kind" RENAME TO "Kind_old";
    ALTER TYPE public."Kind_new" RENAME TO "Kind";
    DROP TYPE public."Kind_old";
"""


class TestAlteredTable:
    async def alter(self, db: Database, sql: str) -> None:
        async with db.transaction() as tx:
            await tx.execute(sql)

    async def test_is_read_at_once_by_every_connection(self, db):
        async def read() -> None:
            async with db.transaction() as tx:
                await tx.fetch(_TITLES)
                await tx.execute("SELECT pg_sleep(0.02)")

        await asyncio.gather(*(read() for _ in range(4)))
        await self.alter(db, _RETYPE)
        await asyncio.gather(*(read() for _ in range(4)))

    async def test_is_read_again_in_a_transaction_that_has_only_read(self, db):
        async with db.transaction() as tx:
            await tx.fetch(_TITLES)
        await self.alter(db, _RETYPE)

        async with db.transaction() as tx:
            await tx.fetchval("SELECT count(*) FROM users")
            assert await tx.fetch(_TITLES) == []
            assert await tx.fetchval("SHOW transaction_isolation") == "read committed"
            await tx.execute(_RETYPE_BACK)

    async def test_rolls_back_a_transaction_that_has_written(self, db):
        async with db.transaction() as tx:
            await tx.execute("CREATE TABLE public.rate_notes (note text)")
            await tx.fetch(_TITLES)
        await self.alter(db, _RETYPE)

        async def write_and_read() -> None:
            async with db.transaction() as tx:
                await tx.execute(_NOTE, "written")
                await tx.fetch(_TITLES)

        with pytest.raises(TablesChanged, match="try again"):
            await write_and_read()

        async with db.transaction() as tx:
            assert await tx.fetchval("SELECT count(*) FROM rate_notes") == 0
            await tx.execute(_NOTE, "written")
            await tx.fetch(_TITLES)

    async def test_is_written_again_by_one_statement_for_many_rows(self, db):
        async with db.transaction() as tx:
            await tx.execute("CREATE TABLE public.rate_notes (note text)")
            await tx.execute_many(_NOTE, [("one",), ("two",)])
        await self.alter(db, "ALTER TABLE rate_notes ALTER COLUMN note TYPE uuid USING NULL")

        async with db.transaction() as tx:
            await tx.fetchval("SELECT count(*) FROM users")
            await tx.execute_many(_NOTE, ((str(uuid4()),) for _ in range(3)))

        async with db.read() as reader:
            assert await reader.fetchval("SELECT count(note) FROM rate_notes") == 3

    async def test_is_read_again_by_an_enum_that_was_made_anew(self, db):
        async def count() -> int:
            async with db.read() as reader:
                return int(await reader.fetchval(_COUNT_GOOD, "GOOD"))

        async def read_kinds() -> list[str]:
            async with db.transaction() as tx:
                found = await tx.fetch("SELECT kind FROM notes WHERE kind = $1", "GOOD")
                return [each["kind"] for each in found]

        await self.alter(db, _KINDS)
        assert (await count(), await read_kinds()) == (1, ["GOOD"])
        await self.alter(db, _KINDS_ANEW)

        assert (await read_kinds(), await count()) == (["GOOD"], 1)
        await self.alter(db, _KINDS_ANEW)
        assert (await count(), await read_kinds()) == (1, ["GOOD"])
