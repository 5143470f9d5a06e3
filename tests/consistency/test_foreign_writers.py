"""The writers outside the shop go on after a fault."""

import asyncpg
import pytest

from tests.consistency.writers.foreign import closed_on_error
from tests.servers import connected


class TestConnection:
    async def test_is_not_used_again_after_a_statement_failed_in_a_transaction(
        self, database_url: str
    ):
        async with connected(database_url) as connection:
            await connection.transaction().start()
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with closed_on_error(connection):
                    await connection.execute("SELECT 1 / 0")

            assert connection.is_closed()

    async def test_stays_open_after_a_write(self, database_url: str):
        async with connected(database_url) as connection:
            async with closed_on_error(connection):
                await connection.execute("SELECT 1")

            assert await connection.fetchval("SELECT 1") == 1
