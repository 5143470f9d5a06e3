"""Writes as psql does: one statement that commits by itself, without the shop's code."""

from time import monotonic_ns

import asyncpg

from tests.consistency.keys import Kind, of_kind
from tests.consistency.writers.config import NEVER_SEEN, Writing, price_of, version_of
from tests.consistency.writers.foreign_connection import ForeignConnection

_RAISE = "UPDATE games SET price = price + 0.01 WHERE id = $1 RETURNING price"
_RAISE_FAR = "UPDATE games SET price = price + $2 WHERE id = $1"


class ForeignWriter:
    """Writes over its own connection to PostgreSQL, which is reopened when it is cut."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._keys = of_kind(Kind.FOREIGN)
        self._connection = ForeignConnection(writing.config.database_url)

    async def write(self) -> None:
        """Change one game."""
        key = self._writing.dice.choice(self._keys)
        async with self._connection.used() as connection:
            if self._writing.is_undone():
                await self._undo(connection, key.id)
                return
            invoked = monotonic_ns()
            price = await connection.fetchval(_RAISE, key.id)
            self._writing.note_acknowledged({key.number: version_of(price)}, invoked)

    async def _undo(self, connection: "asyncpg.Connection[asyncpg.Record]", game: str) -> None:
        block = connection.transaction()
        await block.start()
        await connection.execute(_RAISE_FAR, game, price_of(NEVER_SEEN))
        await block.rollback()
