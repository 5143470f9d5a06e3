"""The queue's tables, and what only the holder of a job may do."""

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries

from keyshop.entrypoints.worker.leases import NAMES


class TestTables:
    async def test_are_those_that_pgqueuer_expects(self, database_url: str):
        connection = await asyncpg.connect(database_url)
        queries = Queries(
            AsyncpgDriver(connection),
            qbe=QueryBuilderEnvironment(NAMES),
            qbq=QueryQueueBuilder(NAMES),
            qbs=QuerySchedulerBuilder(NAMES),
        )

        plan = await queries.plan_upgrade()
        await connection.close()

        assert plan.statements == ()
        assert plan.notes == ()
