"""Applies one revision."""

import asyncpg

from keyshop.schema.connect import Connection, is_connection_lost
from keyshop.schema.errors import MigrationFailed
from keyshop.schema.revisions import Revision, sql_of
from keyshop.schema.triggers import record_triggers


async def apply(connection: Connection, revision: Revision) -> None:
    """
    Apply the revision within the caller's transaction, which `retry_on_lock_timeout` repeats.

    Raises:
        MigrationFailed: PostgreSQL refused it; the caller's transaction is aborted.
    """
    try:
        await connection.execute(sql_of(revision))
        await record_triggers(connection)
    except asyncpg.PostgresError as error:
        if is_connection_lost(error):
            raise
        raise MigrationFailed(revision.name, error) from error
