"""Builds the indexes on the shop's tables without blocking their writers."""

from collections.abc import Callable
from typing import Final

import asyncpg

from keyshop.schema.connect import Connection, is_connection_lost
from keyshop.schema.errors import AttachStopped
from keyshop.schema.revisions import Revision, ShopIndex, list_shop_indexes

ReportStep = Callable[[str], None]
"""Called with the name of each step before it begins."""

_IS_VALID: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


async def build_missing_indexes(
    connection: Connection, revision: Revision, report: ReportStep
) -> list[str]:
    """
    Build the revision's indexes that are missing or invalid, and return their names.

    Raises:
        AttachStopped: PostgreSQL refused one; those before it remain.
    """
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
        # An interrupted CREATE INDEX CONCURRENTLY leaves an invalid index.
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{index.name}")
        await connection.execute(f"CREATE INDEX CONCURRENTLY {index.name} {index.rest}")
    except asyncpg.PostgresError as error:
        if is_connection_lost(error):
            raise
        raise AttachStopped(f"Building the index {index.plain_name}", error) from error
