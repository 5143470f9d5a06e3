"""
Attaches a database that Prisma made, while its shop goes on selling.

Indexes on the shop's tables are built CONCURRENTLY, outside a transaction; everything else is applied
revision by revision, as `upgrade` does. The row in `keyshop.attachment` marks an attach that has begun:
the last revision's transaction sets `finished_at`, and until then `attach` resumes.
"""

import asyncio
from functools import partial
from typing import Final

import asyncpg
from msgspec import Struct

from keyshop.schema.apply import apply
from keyshop.schema.build_indexes import ReportStep, build_missing_indexes
from keyshop.schema.compare import Difference, compare
from keyshop.schema.connect import (
    Connection,
    connected,
    is_connection_lost,
    lock_migrations,
)
from keyshop.schema.describe import describe_public, read_prisma_schema
from keyshop.schema.errors import (
    AttachRefused,
    AttachStopped,
    NewerDatabase,
    NothingToAttach,
    UnreleasedDatabase,
)
from keyshop.schema.privileges import find_missing_privileges
from keyshop.schema.retry_on_lock_timeout import retry_on_lock_timeout
from keyshop.schema.revisions import (
    Revision,
    list_revisions,
    sql_that_stamps,
)
from keyshop.schema.status import Status, read_status

# Timeouts that the role has for customers' requests would abort the building of an index, and the
# transaction that holds the lock meanwhile.

# The same table as in the revision 0008_attachment.
_BEGIN: Final = """
    CREATE TABLE keyshop.attachment (
        id SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        begun_at TIMESTAMPTZ(3) NOT NULL,
        finished_at TIMESTAMPTZ(3)
    );
    INSERT INTO keyshop.attachment (begun_at) VALUES (now());
"""
_FINISH: Final = "UPDATE keyshop.attachment SET finished_at = now()"

# The revision 0016_orders_and_money records them, in the transaction that installs the triggers.
_COUNT_UNEXPLAINED_BALANCES: Final = """
    SELECT count(*) FROM keyshop.opening_balances WHERE balance <> ledger_total
"""


class Attached(Struct, frozen=True):
    """The changes that `attach` made."""

    applied: list[str]
    """Names of the applied revisions. The first one only describes Prisma's tables, and is stamped."""

    indexes: list[str]
    """Names of the indexes that were built on the shop's tables."""

    opening_balances: int
    """Customers whose balance differs from the sum of their completed transactions."""


def check(database_url: str) -> list[Difference]:
    """
    Return how the database differs from what keyshop can attach, and change nothing.

    Runs its own event loop, as all functions of this package that take a URL.

    Raises:
        NothingToAttach: the database is empty, made by keyshop, or attached already.
        NewerDatabase, UnreleasedDatabase: another version of keyshop made its schema.
        BadDatabaseUrl, DatabaseUnavailable, ServerRefused: it cannot be used.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_check(database_url))


def attach(database_url: str, report: ReportStep) -> Attached:
    """
    Attach the database, or resume an attach that was interrupted.

    Raises:
        AttachRefused: it differs from what Prisma makes, and keyshop cannot work with it.
        NothingToAttach: the database is empty, made by keyshop, or attached already.
        NewerDatabase, UnreleasedDatabase: another version of keyshop made its schema.
        MigrationFailed, AttachStopped: a step failed; the steps before it remain.
        UpgradeBusy: another process is changing its schema.
        BadDatabaseUrl, DatabaseUnavailable, ServerRefused: it cannot be used.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_attach(database_url, report))


async def _check(database_url: str) -> list[Difference]:
    async with connected(database_url) as connection:
        status = await read_status(connection, list_revisions())
        _refuse_others(status)
        return await _find_differences(connection, status)


async def _attach(database_url: str, report: ReportStep) -> Attached:
    # CREATE INDEX CONCURRENTLY refuses to run in a transaction, so another connection holds the lock.
    async with (
        connected(database_url) as lock,
        lock_migrations(lock),
        connected(database_url) as connection,
    ):
        return await _attach_under_lock(connection, report)


async def _attach_under_lock(connection: Connection, report: ReportStep) -> Attached:
    revisions = list_revisions()
    status = await read_status(connection, revisions)
    _refuse_others(status)
    blocking = [str(each) for each in await _find_differences(connection, status) if each.stops]
    if blocking:
        raise AttachRefused(blocking)

    if status.attachment is None:
        report("schema keyshop")
        await _begin(connection, revisions[0])
        pending = revisions[1:]
    else:
        pending = [each for each in revisions if each.name in status.pending]

    indexes: list[str] = []
    opening_balances = 0
    for revision in pending:
        indexes += await build_missing_indexes(connection, revision, report)
        report(revision.name)
        is_last = revision is pending[-1]
        opening_balances = await retry_on_lock_timeout(
            partial(_apply, connection, revision, is_last=is_last)
        )
    return Attached([revision.name for revision in pending], indexes, opening_balances)


def _refuse_others(status: Status) -> None:
    if status.state == "newer":
        raise NewerDatabase(str(status.current))
    if status.state == "unreleased":
        raise UnreleasedDatabase(str(status.current), attached=status.attachment is not None)
    if status.state == "empty":
        raise NothingToAttach(
            "The database is empty, so there is nothing to attach."
            " `keyshop db upgrade` creates the shop's tables in it."
        )
    if status.state == "ours" and status.attachment is None:
        raise NothingToAttach("The database was made by keyshop, so there is nothing to attach.")
    if status.attachment and status.attachment.finished_at:
        raise NothingToAttach("The database is attached already; nothing was changed.")


async def _find_differences(connection: Connection, status: Status) -> list[Difference]:
    expected = read_prisma_schema()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        missing = await find_missing_privileges(
            connection,
            [table.name for table in expected.tables],
            begun=status.attachment is not None,
        )
        return missing + compare(await describe_public(connection), expected)


async def _begin(connection: Connection, first: Revision) -> None:
    """Create schema keyshop, and stamp the first revision: Prisma has made its tables."""
    try:
        async with connection.transaction():
            await connection.execute(sql_that_stamps(first))
            await connection.execute(_BEGIN)
    except asyncpg.PostgresError as error:
        if is_connection_lost(error):
            raise
        raise AttachStopped("Creating schema keyshop", error) from error


async def _apply(connection: Connection, revision: Revision, *, is_last: bool) -> int:
    """Apply the revision, and finish with the last one; return `Attached.opening_balances`."""
    async with connection.transaction():
        await apply(connection, revision)
        return await _finish(connection) if is_last else 0


async def _finish(connection: Connection) -> int:
    await connection.execute(_FINISH)
    return int(await connection.fetchval(_COUNT_UNEXPLAINED_BALANCES))
