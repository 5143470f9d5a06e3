"""Detaches a database: removes everything that keyshop added when it was attached."""

import asyncio
from functools import partial
from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from keyshop.schema.connect import (
    Connection,
    connected,
    is_connection_lost,
    lock_migrations,
)
from keyshop.schema.describe import describe_public
from keyshop.schema.errors import DetachRefused
from keyshop.schema.models import Schema
from keyshop.schema.retry_on_lock_timeout import LOCK_TIMEOUT, retry_on_lock_timeout
from keyshop.schema.revisions import list_revisions, list_shop_indexes
from keyshop.schema.status import Status, read_status

_SET_LOCK_TIMEOUT: Final = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"

_TRIGGERS: Final = """
    SELECT c.relname AS table, t.tgname AS name
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_proc AS p ON p.oid = t.tgfoid AND p.pronamespace = 'keyshop'::regnamespace
    WHERE NOT t.tgisinternal
    ORDER BY 1, 2
"""

_HAS_VAULT: Final = "SELECT to_regclass('keyshop.vault_keys') IS NOT NULL"
# No key is sealed between this and the end of the transaction.
_LOCK_VAULT: Final = "LOCK TABLE keyshop.vault_keys IN ACCESS EXCLUSIVE MODE"
_HAS_SEALED_KEYS: Final = """
    SELECT EXISTS (
        SELECT FROM public.game_keys AS k JOIN keyshop.vault_keys AS v ON v.id = k.id
        WHERE k.key LIKE 'sealed:%'
    )
"""


class Detached(Struct, frozen=True):
    """The number of objects removed from the shop's tables; schema keyshop was dropped as well."""

    triggers: int
    indexes: int


def detach(database_url: str) -> Detached:
    """
    Undo `attach`, finished or not. The shop's tables keep all rows written since.

    Raises:
        DetachRefused: keyshop made the database, it is not attached, its keys are sealed, or
            something else prevents it.
        BadDatabaseUrl, DatabaseUnavailable, ServerRefused: it cannot be used.
        UpgradeBusy: another process is changing its schema.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_detach(database_url))


async def _detach(database_url: str) -> Detached:
    async with connected(database_url) as connection:
        return await retry_on_lock_timeout(partial(_detach_once, connection))


async def _detach_once(connection: Connection) -> Detached:
    async with lock_migrations(connection):
        _refuse_others(await read_status(connection, list_revisions()))
        try:
            return await _drop_all(connection)
        except asyncpg.PostgresError as error:
            if is_connection_lost(error):
                raise
            raise DetachRefused(
                f"The database was not detached, and nothing was changed. PostgreSQL says: {error}."
                " Run the command again when no other transaction uses the table."
            ) from error


def _refuse_others(status: Status) -> None:
    if status.attachment is not None:
        return
    if status.state in {"ours", "newer", "unreleased"}:
        raise DetachRefused(
            "The database was made by keyshop, not by Prisma, so it cannot be detached. Nothing was"
            " changed. To remove keyshop's data, drop the database."
        )
    raise DetachRefused("The database is not attached; nothing was changed.")


async def _drop_all(connection: Connection) -> Detached:
    await connection.execute(_SET_LOCK_TIMEOUT)
    await _refuse_sealed_keys(connection)
    before = await describe_public(connection)
    triggers = {(each["table"], each["name"]) for each in await connection.fetch(_TRIGGERS)}
    present = {index.name for table in before.tables for index in table.indexes}
    indexes = _names_of_our_indexes() & present
    await connection.execute("DROP SCHEMA keyshop CASCADE")
    for name in sorted(indexes):
        await connection.execute(f'DROP INDEX public."{name}"')
    # CASCADE also drops objects of other applications, such as views on tables in schema keyshop.
    if await describe_public(connection) != _without(before, triggers, indexes):
        raise DetachRefused(
            "The database was not detached, and nothing was changed. An object in schema public, such"
            " as a view, depends on tables in schema keyshop and would be dropped with them. Drop it"
            " first."
        )
    return Detached(len(triggers), len(indexes))


async def _refuse_sealed_keys(connection: Connection) -> None:
    """Refuse to drop the only copy of the keys' texts."""
    if not await connection.fetchval(_HAS_VAULT):
        return
    await connection.execute(_LOCK_VAULT)
    if await connection.fetchval(_HAS_SEALED_KEYS):
        raise DetachRefused(
            "The database was not detached, and nothing was changed: texts of keys are sealed in schema"
            " keyshop and would be lost. Run `keyshop keys rotate` with KEY_STORAGE=plain first."
        )


def _names_of_our_indexes() -> set[str]:
    return {
        index.plain_name for revision in list_revisions() for index in list_shop_indexes(revision)
    }


def _without(schema: Schema, triggers: set[tuple[str, str]], indexes: set[str]) -> Schema:
    """Return the description without these triggers, as (table, name), and indexes."""
    tables = [
        msgspec.structs.replace(
            table,
            indexes=[index for index in table.indexes if index.name not in indexes],
            triggers=[name for name in table.triggers if (table.name, name) not in triggers],
        )
        for table in schema.tables
    ]
    return Schema(schema.enums, tables)
