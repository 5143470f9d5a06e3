"""Writes as psql does: one statement that commits by itself, without the shop's code."""

from time import monotonic_ns

import asyncpg

from tests.consistency.keys import Kind, of_kind
from tests.consistency.writers.config import (
    FOREIGN_SETTINGS,
    NEVER_SEEN,
    Writing,
    price_of,
    version_of,
)

_RAISE = "UPDATE games SET price = price + 0.01 WHERE id = $1 RETURNING price"
_RAISE_FAR = "UPDATE games SET price = price + $2 WHERE id = $1"


class ForeignWriter:
    """Writes over its own connection to PostgreSQL, which is reopened when it is cut."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._keys = of_kind(Kind.FOREIGN)
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def write(self) -> None:
        """Change one game."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._writing.config.database_url,
                ssl=False,
                timeout=5,
                server_settings=FOREIGN_SETTINGS,
            )
        key = self._writing.dice.choice(self._keys)
        if self._writing.is_undone():
            await self._undo(self._connection, key.id)
            return
        invoked = monotonic_ns()
        price = await self._connection.fetchval(_RAISE, key.id, timeout=10)
        self._writing.note_acknowledged({key.number: version_of(price)}, invoked)

    async def _undo(self, connection: "asyncpg.Connection[asyncpg.Record]", game: str) -> None:
        block = connection.transaction()
        await block.start()
        await connection.execute(_RAISE_FAR, game, price_of(NEVER_SEEN))
        await block.rollback()
