"""The writers outside the shop continue after a fault."""

import asyncpg
import pytest

from tests.consistency.writers.foreign_connection import ForeignConnection


async def _divide_by_zero(foreign: ForeignConnection) -> None:
    async with foreign.used() as connection:
        await connection.execute("SELECT 1 / 0")


class TestConnection:
    async def test_is_not_used_again_after_a_statement_failed_in_a_transaction(
        self, database_url: str
    ):
        foreign = ForeignConnection(database_url)
        async with foreign.used() as connection:
            await connection.transaction().start()
        with pytest.raises(asyncpg.DivisionByZeroError):
            await _divide_by_zero(foreign)

        async with foreign.used() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT 1") == 1
            connection.terminate()

    async def test_stays_open_after_a_write(self, database_url: str):
        foreign = ForeignConnection(database_url)
        async with foreign.used() as first:
            await first.execute("SELECT 1")
        async with foreign.used() as second:
            assert second is first
            second.terminate()
