"""
Upgrades a database to the schema that this version of keyshop works with.

Each revision is applied in a transaction of its own, which first takes a lock that all upgrades share
and only then reads the status: concurrent upgrades take turns. Nothing outlives a transaction, so that
an upgrade works through a connection pooler.
"""

import asyncio
from functools import partial

from keyshop.schema.apply import apply
from keyshop.schema.connect import Connection, connected, lock_migrations
from keyshop.schema.errors import (
    AttachUnfinished,
    ForeignDatabase,
    NewerDatabase,
    UnreleasedDatabase,
)
from keyshop.schema.retry_on_lock_timeout import retry_on_lock_timeout
from keyshop.schema.revisions import Revision, list_revisions
from keyshop.schema.status import Status, read_status


def upgrade(database_url: str) -> list[str]:
    """
    Upgrade the database to the newest revision, and return the names of the applied revisions.

    Runs its own event loop: call it through `asyncio.to_thread` where a loop is running.

    Raises:
        BadDatabaseUrl: the URL is not valid.
        DatabaseUnavailable: the server does not answer.
        ServerRefused: it refuses the login, has no such database, or is too old.
        ForeignDatabase: the database holds something that keyshop did not make.
        AttachUnfinished: attaching it was interrupted.
        NewerDatabase: a newer version of keyshop has upgraded it.
        UnreleasedDatabase: an unreleased version of keyshop made it.
        MigrationFailed: a revision failed; those before it stay applied.
        UpgradeBusy: another upgrade did not finish within two minutes.
    """
    # This loop never becomes the thread's current one, so the caller's own loop stays in place.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_upgrade(database_url))


def status(database_url: str) -> Status:
    """
    Return the status of the database, and change nothing.

    Runs its own event loop, as `upgrade` does.

    Raises:
        BadDatabaseUrl: the URL is not valid.
        DatabaseUnavailable: the server does not answer.
        ServerRefused: it refuses the login, has no such database, or is too old.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_status(database_url))


async def _upgrade(database_url: str) -> list[str]:
    revisions = list_revisions()
    applied: list[str] = []
    async with connected(database_url) as connection:
        while name := await retry_on_lock_timeout(partial(_apply_next, connection, revisions)):
            applied.append(name)
    return applied


async def _apply_next(connection: Connection, revisions: list[Revision]) -> str | None:
    async with lock_migrations(connection):
        found = await read_status(connection, revisions)
        _refuse_others(found)
        if not found.pending:
            return None
        revision = revisions[-len(found.pending)]
        await apply(connection, revision)
        return revision.name


def _refuse_others(found: Status) -> None:
    if found.state == "foreign":
        raise ForeignDatabase(found.found)
    if found.state == "newer":
        raise NewerDatabase(str(found.current))
    if found.state == "unreleased":
        raise UnreleasedDatabase(str(found.current), attached=found.attachment is not None)
    if found.attachment is not None and found.attachment.finished_at is None:
        raise AttachUnfinished


async def _status(database_url: str) -> Status:
    async with connected(database_url) as connection:
        return await read_status(connection, list_revisions())
