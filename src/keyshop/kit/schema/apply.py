"""Applies one revision."""

from typing import Final

import asyncpg

from keyshop.kit.schema.connect import AWAY, Connection
from keyshop.kit.schema.errors import MigrationFailed
from keyshop.kit.schema.revisions import Revision, sql_of
from keyshop.kit.schema.triggers import remember_triggers

_LONGEST_WAIT: Final = "5s"


async def apply(
    connection: Connection, revision: Revision, *, lock_timeout: str = _LONGEST_WAIT
) -> None:
    """
    Apply the revision within the caller's transaction.

    Raises:
        MigrationFailed: PostgreSQL refused it; the caller's transaction is lost.
    """
    try:
        await connection.execute(sql_of(revision, lock_timeout=lock_timeout))
        await remember_triggers(connection)
    except AWAY:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationFailed(revision.name, error) from error
