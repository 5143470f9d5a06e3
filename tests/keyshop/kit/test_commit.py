"""The outcome of a COMMIT whose reply was lost, and which transactions are repeated."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.commit import PreparedCommit, ReaderSource
from keyshop.kit.database.errors import CommitOutcomeUnknown, DatabaseBusy, DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.factories.cached_shop import until
from tests.keyshop.embedded.users import get_server, kill
from tests.keyshop.kit.cache.network import Network, network_to
from tests.servers import FAST, connected, open_home

# A COMMIT that waits for a lock that the test holds.
_SLOW_COMMITS = """
    SET search_path = public;
    CREATE TABLE notes (id TEXT PRIMARY KEY);
    CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(42);
        IF NEW.id = 'bad' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait_for_the_test();
"""
_WAITING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT;'
        AND wait_event = 'advisory'
"""


class Notes:
    """A table whose COMMITs wait, reached through a network that the test controls."""

    def __init__(self, db: Database, network: Network, url: str, through: str) -> None:
        self.db = db
        self.network = network
        self.url = url
        self.through = through

    async def add(self, note: str) -> None:
        async with self.db.transaction() as tx:
            await tx.execute("INSERT INTO notes VALUES ($1)", note)

    async def has_some(self) -> bool:
        return bool(await self.list())

    async def list(self) -> list[str]:
        async with connected(self.url) as connection:
            return [r["id"] for r in await connection.fetch("SELECT id FROM notes ORDER BY id")]


class Foreteller:
    """A guard that names a transaction of the future."""

    async def before_commit(self, tx: Transaction) -> PreparedCommit:
        del tx
        return PreparedCommit(xid="18000000000000000000")

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        del db, prepared
        assert not committed


class Forsaken(RedisCommitGuard):
    """A guard that PostgreSQL leaves alone between the COMMIT and the end."""

    def __init__(self, why: type[DatabaseUnavailable]) -> None:
        super().__init__(None)
        self._why = why

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        await super().after_commit(db, prepared, committed=committed)
        raise self._why


@pytest_asyncio.fixture
async def notes(database_url: str) -> AsyncIterator[Notes]:
    async with connected(database_url) as connection:
        await connection.execute(_SLOW_COMMITS)
    port = urlsplit(database_url).port
    assert port is not None
    async with network_to(port) as network:
        through = database_url.replace(f":{port}/", f":{network.port}/")
        db = Database(through, guard=RedisCommitGuard(None))
        await db.open()
        yield Notes(db, network, database_url, through)
        network.release()
        network.cut()
        await db.close()


async def until_committing(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Wait until a COMMIT waits, and return the pid of its backend."""
    found: list[int] = []

    async def is_waiting() -> bool:
        found.extend(r["pid"] for r in await connection.fetch(_WAITING))
        return bool(found)

    await until(is_waiting)
    return found[0]


class TestLostAnswer:
    async def test_of_a_commit_that_was_done_is_no_failure(self, notes):
        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(notes.add("one"))
            await until_committing(other)
            notes.network.hold_answers()
            await other.execute("SELECT pg_advisory_unlock(42)")
            await until(notes.has_some)
            notes.network.cut()
            notes.network.release()

            await adding
        assert await notes.list() == ["one"]

    async def test_of_a_commit_that_is_still_under_way_is_waited_for(self, notes):
        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(notes.add("one"))
            await until_committing(other)
            notes.network.cut()
            await asyncio.sleep(0.2)
            assert not adding.done()
            await other.execute("SELECT pg_advisory_unlock(42)")

            await adding
        assert await notes.list() == ["one"]

    async def test_of_a_terminated_commit_is_reported_as_nothing_changed(self, notes):
        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(notes.add("one"))
            pid = await until_committing(other)
            await other.execute("SELECT pg_terminate_backend($1)", pid)

            with pytest.raises(DatabaseUnavailable) as raised:
                await adding
        assert not isinstance(raised.value, CommitOutcomeUnknown)
        assert await notes.list() == []

    async def test_of_a_cancelled_commit_is_reported_as_nothing_changed(self, notes):
        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(notes.add("one"))
            pid = await until_committing(other)
            await other.execute("SELECT pg_cancel_backend($1)", pid)

            with pytest.raises(DatabaseUnavailable) as raised:
                await adding
        assert not isinstance(raised.value, CommitOutcomeUnknown)
        assert await notes.list() == []

    async def test_while_postgresql_is_away_is_reported_as_unknown(self, notes):
        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(notes.add("one"))
            await until_committing(other)
            notes.network.behind = 1  # a port without a server
            notes.network.cut()

            began = time.monotonic()
            with pytest.raises(CommitOutcomeUnknown):
                await adding
            assert time.monotonic() - began < 5

    async def test_of_a_commit_lost_in_a_crash_is_reported_as_nothing_changed(self, notes):
        """The id was never given to a transaction: the server knows nothing of it."""
        db = Database(notes.through, guard=Foreteller())
        await db.open()

        async def add() -> None:
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO notes VALUES ('one')")

        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(add())
            await other.execute("SELECT pg_terminate_backend($1)", await until_committing(other))
            with pytest.raises(DatabaseUnavailable):
                await adding
        await db.close()

    @pytest.mark.parametrize("why", [DatabaseUnavailable, DatabaseBusy])
    async def test_of_a_commit_that_the_cache_missed_invites_no_second_attempt(self, notes, why):
        db = Database(notes.url, guard=Forsaken(why))
        await db.open()

        with pytest.raises(CommitOutcomeUnknown, match="Please check before you try again"):
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO notes VALUES ('one')")

        await db.close()
        assert await notes.list() == ["one"]


class TestRefusedCommit:
    async def test_says_why_and_changes_nothing(self, notes):
        with pytest.raises(asyncpg.CheckViolationError):
            await notes.add("bad")

        assert await notes.list() == []
        await notes.add("good")
        assert await notes.list() == ["good"]


class TestStoppedWriter:
    async def test_leaves_no_connection_inside_a_transaction(self, notes):
        async with connected(notes.url) as other:
            await other.execute("SELECT pg_advisory_lock(42)")
            adding = asyncio.create_task(notes.add("one"))
            await until_committing(other)
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
            await other.execute("SELECT pg_advisory_unlock(42)")

        await notes.add("two")
        assert "two" in await notes.list()


class TestCrashedServer:
    async def test_during_a_commit_is_reported_as_unavailable_or_unknown(self):
        with open_home() as home, PostgresServer(home, settings=FAST) as server:
            async with connected(server.url) as connection:
                await connection.execute("CREATE SCHEMA keyshop")
                await connection.execute(
                    "CREATE TABLE keyshop.cache_outbox (id int, xid xid8, keys text[], groups text[])"
                )
                await connection.execute(_SLOW_COMMITS)
            db = Database(server.url, guard=RedisCommitGuard(None))
            await db.open()
            other = await asyncpg.connect(server.url, ssl=False)
            await other.execute("SELECT pg_advisory_lock(42)")

            async def add() -> None:
                async with db.transaction() as tx:
                    await tx.execute("INSERT INTO notes VALUES ('one')")

            adding = asyncio.create_task(add())
            await until_committing(other)
            kill(get_server(home, "postgres"))
            other.terminate()
            successor = PostgresServer(home, settings=FAST)
            starting = asyncio.create_task(asyncio.to_thread(successor.start))

            with pytest.raises(DatabaseUnavailable):
                await adding
            await starting
            await db.close()
            await asyncio.to_thread(successor.release)


class TestRun:
    @pytest.mark.parametrize("error", [asyncpg.SerializationError, asyncpg.DeadlockDetectedError])
    async def test_repeats_the_work_after_a_collision(self, notes, error):
        tried: list[int] = []

        async def work(tx) -> str:
            tried.append(1)
            await tx.execute("INSERT INTO notes VALUES ($1)", f"try {len(tried)}")
            if len(tried) < 3:
                raise error("collided")
            return "done"

        assert await notes.db.run(work, attempts=3) == "done"
        assert await notes.list() == ["try 3"]

    async def test_gives_up_after_so_many_attempts(self, notes):
        tried: list[int] = []

        async def work(_) -> None:
            tried.append(1)
            raise asyncpg.SerializationError("collided")

        with pytest.raises(asyncpg.SerializationError):
            await notes.db.run(work, attempts=4)
        assert len(tried) == 4

    @pytest.mark.parametrize(
        "error", [asyncpg.UniqueViolationError, DatabaseUnavailable, ZeroDivisionError]
    )
    async def test_repeats_nothing_after_another_failure(self, notes, error):
        tried: list[int] = []

        async def work(_) -> None:
            tried.append(1)
            raise error

        with pytest.raises(error):
            await notes.db.run(work, attempts=4)
        assert len(tried) == 1

    async def test_resolves_a_deadlock_of_two_transactions(self, notes):
        await notes.add("a")
        await notes.add("b")
        both_locked = asyncio.Barrier(2)
        first_time = {"ab", "ba"}

        async def lock(order: str) -> None:
            async def work(tx) -> None:
                await tx.execute("SELECT FROM notes WHERE id = $1 FOR UPDATE", order[0])
                if order in first_time:
                    first_time.remove(order)
                    await both_locked.wait()
                await tx.execute("SELECT FROM notes WHERE id = $1 FOR UPDATE", order[1])

            await notes.db.run(work, attempts=3)

        await asyncio.gather(lock("ab"), lock("ba"))
