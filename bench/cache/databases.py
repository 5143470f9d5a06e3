"""Databases with and without the triggers of the cache."""

from typing import Final

import asyncpg

from bench.catalogue import fill
from bench.machine import EMPTY, Machine, copy_database
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database

_TRIGGERS: Final = r"""
    SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
    WHERE tgname LIKE 'keyshop\_cache\_%'
"""


async def fill_database(machine: Machine, name: str, *, games: int) -> str:
    """Create a database with `games` games, and return its address."""
    database_url = await copy_database(machine.postgres, name, EMPTY)
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    try:
        await fill(db, games)
    finally:
        await db.close()
    return database_url


async def drop_triggers(database_url: str) -> str:
    """Drop the triggers that write the outbox, and return the address."""
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        for record in await connection.fetch(_TRIGGERS):
            await connection.execute(record[0])
    finally:
        await connection.close()
    return database_url
