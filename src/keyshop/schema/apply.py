"""Applies one revision."""

import asyncpg

from keyshop.kit.database.errors import CONNECTION_LOST
from keyshop.schema.connect import Connection
from keyshop.schema.errors import MigrationFailed
from keyshop.schema.revisions import Revision, sql_of
from keyshop.schema.triggers import remember_triggers


async def apply(connection: Connection, revision: Revision) -> None:
    """
    Apply the revision within the caller's transaction, which is one that is repeated `patiently`.

    Raises:
        MigrationFailed: PostgreSQL refused it; the caller's transaction is lost.
    """
    try:
        await connection.execute(sql_of(revision))
        await remember_triggers(connection)
    except CONNECTION_LOST:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationFailed(revision.name, error) from error
