"""
Takes over a database that Prisma made, beside a shop that goes on selling.

Indexes on the shop's tables are built CONCURRENTLY, outside any transaction; everything else is done
revision by revision, as `upgrade` does. What an interruption leaves is told apart by the row in
`keyshop.attachment`, which is finished with the last revision.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import asyncpg
from msgspec import Struct

from keyshop.kit.database.errors import CONNECTION_LOST
from keyshop.schema.apply import apply
from keyshop.schema.compare import Difference, compare
from keyshop.schema.connect import Connection, connected, lock_migrations
from keyshop.schema.describe import describe_public, what_prisma_makes
from keyshop.schema.errors import AttachRefused, AttachStopped, NewerDatabase, NothingToAttach
from keyshop.schema.lock_timeout import patiently
from keyshop.schema.revisions import (
    Revision,
    ShopIndex,
    list_revisions,
    list_shop_indexes,
    sql_that_stamps,
)
from keyshop.schema.rights import find_obstacles
from keyshop.schema.status import Status, look

# A connection that only waits for the other's work is not to be cut off.
_BE_PATIENT: Final = (
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0"
)

# A role's limit for customers' requests would end the building of an index.
_TAKE_YOUR_TIME: Final = "SET statement_timeout = 0"

# The same as in the revision that makes it elsewhere.
_BEGIN: Final = """
    CREATE TABLE keyshop.attachment (
        id SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        begun_at TIMESTAMPTZ(3) NOT NULL,
        finished_at TIMESTAMPTZ(3)
    );
    INSERT INTO keyshop.attachment (begun_at) VALUES (now());
"""
_FINISH: Final = "UPDATE keyshop.attachment SET finished_at = now()"

# One statement sees every balance and every transaction as they were at one moment.
_RECORD_OPENING_BALANCES: Final = """
    INSERT INTO keyshop.opening_balances (user_id, balance, recorded_at)
    SELECT u.id, u.balance - coalesce(t.total, 0), timezone('UTC', now())
    FROM public.users AS u
    LEFT JOIN (
        SELECT "userId", sum(amount) AS total FROM public.transactions
        WHERE status = 'COMPLETED' GROUP BY "userId"
    ) AS t ON t."userId" = u.id
    WHERE u.balance <> coalesce(t.total, 0)
    RETURNING user_id
"""

_IS_VALID: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"

Report = Callable[[str], None]
"""Is told each step before it is taken."""


class Attached(Struct, frozen=True):
    """What taking over did."""

    applied: list[str]
    """Names of the revisions; the first of Prisma's is only written down."""

    indexes: list[str]
    """Names of the indexes that were built on tables of the shop."""

    opening_balances: int
    """Customers whose balance is not the sum of their transactions."""


def check(database_url: str) -> list[Difference]:
    """
    Return how the database differs from what keyshop can take over, and change nothing.

    Runs an event loop of its own, as all functions of this package that take an address.

    Raises:
        NothingToAttach: it is empty, or keyshop's own, or attached already.
        NewerDatabase: a newer keyshop works with it.
        BadDatabaseUrl, DatabaseUnavailable, ServerRefused: it cannot be asked.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_check(database_url))


def attach(database_url: str, report: Report) -> Attached:
    """
    Take the database over, or go on where that was interrupted.

    Raises:
        AttachRefused: it differs from what Prisma makes in a way that stops keyshop.
        NothingToAttach: it is empty, or keyshop's own, or attached already.
        NewerDatabase: a newer keyshop works with it.
        MigrationFailed, AttachStopped: a step was refused; those before it stay.
        UpgradeBusy: somebody else works on its schema.
        BadDatabaseUrl, DatabaseUnavailable, ServerRefused: it cannot be asked.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_attach(database_url, report))


async def _check(database_url: str) -> list[Difference]:
    async with connected(database_url) as connection:
        found = await look(connection, list_revisions())
        _refuse_others(found)
        return await _compare(connection, found)


async def _attach(database_url: str, report: Report) -> Attached:
    # An index is not built within a transaction, so the turn is held by a connection of its own.
    async with connected(database_url) as turn, turn.transaction(isolation="read_committed"):
        await turn.execute(_BE_PATIENT)
        await lock_migrations(turn)
        async with connected(database_url) as connection:
            await connection.execute(_TAKE_YOUR_TIME)
            return await _take_over(connection, report)


async def _take_over(connection: Connection, report: Report) -> Attached:
    first, *others = list_revisions()
    found = await look(connection, [first, *others])
    _refuse_others(found)
    stopping = [str(each) for each in await _compare(connection, found) if each.stops]
    if stopping:
        raise AttachRefused(stopping)

    if found.attachment is None:
        report("schema keyshop")
        await _begin(connection, first)
    pending = [each for each in others if each.name in found.pending or not found.attachment]
    built: list[str] = []
    opening = 0
    for revision in pending:
        built += await _build_indexes(connection, revision, report)
        report(revision.name)
        is_last = revision is others[-1]
        opening = await patiently(partial(_apply, connection, revision, is_last=is_last))
    return Attached([revision.name for revision in pending], built, opening)


def _refuse_others(found: Status) -> None:
    if found.state == "newer":
        raise NewerDatabase(str(found.current))
    if found.state == "empty":
        raise NothingToAttach(
            "The database is empty; `keyshop db upgrade` makes the shop's tables in it."
        )
    if found.state == "ours" and found.attachment is None:
        raise NothingToAttach("The database was made by keyshop; there is nothing to take over.")
    if found.attachment and found.attachment.finished_at:
        raise NothingToAttach("The database is attached already; nothing was changed.")


async def _compare(connection: Connection, found: Status) -> list[Difference]:
    expected = what_prisma_makes()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        obstacles = await find_obstacles(
            connection,
            [table.name for table in expected.tables],
            begun=found.attachment is not None,
        )
        return obstacles + compare(await describe_public(connection), expected)


async def _begin(connection: Connection, first: Revision) -> None:
    try:
        async with connection.transaction():
            await connection.execute(sql_that_stamps(first))
            await connection.execute(_BEGIN)
    except CONNECTION_LOST:
        raise
    except asyncpg.PostgresError as error:
        raise AttachStopped("Making schema keyshop", error) from error


async def _build_indexes(connection: Connection, revision: Revision, report: Report) -> list[str]:
    """Build those that are not there, and return their names."""
    missing = [
        index for index in list_shop_indexes(revision) if not await _is_valid(connection, index)
    ]
    for index in missing:
        report(f"index {index.plain_name}")
        await _build(connection, index)
    return [index.plain_name for index in missing]


async def _is_valid(connection: Connection, index: ShopIndex) -> bool:
    return bool(await connection.fetchval(_IS_VALID, f"public.{index.name}"))


async def _build(connection: Connection, index: ShopIndex) -> None:
    try:
        # What an interrupted attempt had built stays, and is of no use to anybody.
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{index.name}")
        await connection.execute(f"CREATE INDEX CONCURRENTLY {index.name} {index.rest}")
    except CONNECTION_LOST:
        raise
    except asyncpg.PostgresError as error:
        raise AttachStopped(f"Building the index {index.plain_name}", error) from error


async def _apply(connection: Connection, revision: Revision, *, is_last: bool) -> int:
    """Apply the revision, with the last one finish; return how many opening balances there are."""
    async with connection.transaction():
        await apply(connection, revision)
        return await _finish(connection) if is_last else 0


async def _finish(connection: Connection) -> int:
    """Record the opening balances and return how many there are."""
    recorded = await connection.fetch(_RECORD_OPENING_BALANCES)
    await connection.execute(_FINISH)
    return len(recorded)
