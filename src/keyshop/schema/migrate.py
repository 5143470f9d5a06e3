"""
Bring a database to the schema this version of keyshop works with.

Each revision is applied in a transaction of its own that first takes a lock shared by everybody who
upgrades, and looks where the database stands only then: two upgrades at once take turns. Nothing
outlives a transaction, so a pooler in between does no harm.
"""

import asyncio
from functools import partial

from keyshop.schema.apply import apply
from keyshop.schema.connect import Connection, connected, lock_migrations
from keyshop.schema.errors import AttachUnfinished, ForeignDatabase, NewerDatabase
from keyshop.schema.lock_timeout import patiently
from keyshop.schema.revisions import Revision, list_revisions
from keyshop.schema.status import Status, look


def upgrade(database_url: str) -> list[str]:
    """
    Bring the database to the newest revision and return the names of those applied.

    Runs an event loop of its own: call it through `asyncio.to_thread` where one is running.

    Raises:
        BadDatabaseUrl: the address is none.
        DatabaseUnavailable: the server does not answer.
        ServerRefused: it refuses the login, has no such database, or is too old.
        ForeignDatabase: the database holds what keyshop did not make.
        AttachUnfinished: taking it over was interrupted.
        NewerDatabase: a newer keyshop has upgraded it.
        MigrationFailed: a revision was refused; those before it stay applied.
        UpgradeBusy: another upgrade did not finish in two minutes.
    """
    # A loop that is never made the thread's current one: the caller's own stays in place.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_upgrade(database_url))


def status(database_url: str) -> Status:
    """
    Return where the database stands and change nothing.

    Runs an event loop of its own, as `upgrade` does.

    Raises:
        BadDatabaseUrl: the address is none.
        DatabaseUnavailable: the server does not answer.
        ServerRefused: it refuses the login, has no such database, or is too old.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_status(database_url))


async def _upgrade(database_url: str) -> list[str]:
    revisions = list_revisions()
    applied: list[str] = []
    async with connected(database_url) as connection:
        while name := await patiently(partial(_apply_next, connection, revisions)):
            applied.append(name)
    return applied


async def _apply_next(connection: Connection, revisions: list[Revision]) -> str | None:
    async with connection.transaction(isolation="read_committed"):
        await lock_migrations(connection)
        found = await look(connection, revisions)
        _refuse_others(found)
        if not found.pending:
            return None
        following = revisions[len(revisions) - len(found.pending)]
        await apply(connection, following)
        return following.name


def _refuse_others(found: Status) -> None:
    if found.state == "foreign":
        raise ForeignDatabase(found.found)
    if found.state == "newer":
        raise NewerDatabase(str(found.current))
    if found.attachment is not None and found.attachment.finished_at is None:
        raise AttachUnfinished


async def _status(database_url: str) -> Status:
    async with connected(database_url) as connection:
        return await look(connection, list_revisions())
