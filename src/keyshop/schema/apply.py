"""Applies one revision."""

import asyncpg

from keyshop.schema.connect import AWAY, Connection
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
    except AWAY:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationFailed(revision.name, error) from error
