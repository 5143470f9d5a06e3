"""Writes a customer's data as psql does: one statement, without the shop's code."""

from time import monotonic_ns

import asyncpg

from tests.consistency.keys import Kind, choose_personal, of_kind
from tests.consistency.writers.config import FOREIGN_SETTINGS, Writing
from tests.consistency.writers.person_rows import lock_version, put_version


class ForeignPersonWriter:
    """Writes over its own connection to PostgreSQL, which is reopened when it is cut."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._keys = of_kind(Kind.FOREIGN_PERSON)
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def write(self) -> None:
        """Change one customer's profile, basket or sign-ins."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._writing.config.database_url,
                ssl=False,
                timeout=5,
                command_timeout=10,
                server_settings=FOREIGN_SETTINGS,
            )
        key = choose_personal(self._writing.dice, self._keys)
        old = await lock_version(self._connection, key)
        versions = {key.number: old + 1}
        is_undone = self._writing.is_undone()
        if is_undone:
            versions = self._writing.far_above(versions)
        invoked = monotonic_ns()
        if not is_undone:
            self._writing.note_tried(versions, invoked)
        block = self._connection.transaction()
        if is_undone:
            await block.start()
        await put_version(
            self._connection, key, old=old, new=versions[key.number], dice=self._writing.dice
        )
        if is_undone:
            await block.rollback()
        else:
            self._writing.note_acknowledged(versions, invoked)
