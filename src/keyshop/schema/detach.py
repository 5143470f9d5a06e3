"""Gives a database back to Prisma: takes away what keyshop added when it was attached."""

import asyncio
from functools import partial
from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from keyshop.kit.database.errors import CONNECTION_LOST
from keyshop.schema.connect import Connection, connected, lock_migrations
from keyshop.schema.describe import describe_public
from keyshop.schema.errors import DetachRefused
from keyshop.schema.lock_timeout import LOCK_TIMEOUT, patiently
from keyshop.schema.models import Schema
from keyshop.schema.revisions import list_revisions, list_shop_indexes
from keyshop.schema.status import Status, look

_GIVE_WAY: Final = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"

_TRIGGERS: Final = """
    SELECT c.relname AS table, t.tgname AS name
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_proc AS p ON p.oid = t.tgfoid AND p.pronamespace = 'keyshop'::regnamespace
    WHERE NOT t.tgisinternal
    ORDER BY 1, 2
"""


class Detached(Struct, frozen=True):
    """What was taken away from the shop's tables; schema keyshop is gone with all it held."""

    triggers: int
    indexes: int


def detach(database_url: str) -> Detached:
    """
    Undo what `attach` did, finished or not; what was written to the shop's tables since stays.

    Raises:
        DetachRefused: keyshop made the database, it is not attached, or something is in the way.
        BadDatabaseUrl, DatabaseUnavailable, ServerRefused: it cannot be asked.
        UpgradeBusy: somebody else works on its schema.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_detach(database_url))


async def _detach(database_url: str) -> Detached:
    async with connected(database_url) as connection:
        return await patiently(partial(_try, connection))


async def _try(connection: Connection) -> Detached:
    async with connection.transaction(isolation="read_committed"):
        await lock_migrations(connection)
        _refuse_others(await look(connection, list_revisions()))
        try:
            return await _take_away(connection)
        except CONNECTION_LOST:
            raise
        except asyncpg.PostgresError as error:
            raise DetachRefused(
                f"The database was not given back; all is as it was. PostgreSQL says: {error}."
                " Repeat it when whatever holds the table is done."
            ) from error


def _refuse_others(found: Status) -> None:
    if found.attachment is not None:
        return
    if found.state in {"ours", "newer"}:
        raise DetachRefused(
            "The database was made by keyshop: its tables are nobody else's, and nothing could work"
            " with them afterwards. Nothing was changed; to be rid of it, drop the database."
        )
    raise DetachRefused("The database is not attached; nothing was changed.")


async def _take_away(connection: Connection) -> Detached:
    await connection.execute(_GIVE_WAY)
    before = await describe_public(connection)
    triggers = {(each["table"], each["name"]) for each in await connection.fetch(_TRIGGERS)}
    indexes = _names_of_our_indexes() & {i.name for t in before.tables for i in t.indexes}
    await connection.execute("DROP SCHEMA keyshop CASCADE")
    for name in sorted(indexes):
        await connection.execute(f'DROP INDEX public."{name}"')
    if await describe_public(connection) != _without(before, triggers, indexes):
        raise DetachRefused(
            "The database was not given back; all is as it was. Something in schema public, such as"
            " a view, was built on tables of schema keyshop and would go with them: drop it first."
        )
    return Detached(len(triggers), len(indexes))


def _names_of_our_indexes() -> set[str]:
    return {
        index.plain_name for revision in list_revisions() for index in list_shop_indexes(revision)
    }


def _without(schema: Schema, triggers: set[tuple[str, str]], indexes: set[str]) -> Schema:
    """Return the schema less what is ours."""
    tables = [
        msgspec.structs.replace(
            table,
            indexes=[index for index in table.indexes if index.name not in indexes],
            triggers=[name for name in table.triggers if (table.name, name) not in triggers],
        )
        for table in schema.tables
    ]
    return Schema(schema.enums, tables)
