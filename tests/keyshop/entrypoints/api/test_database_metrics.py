"""Counters that come from PostgreSQL never fall."""

import itertools
from datetime import timedelta

from msgspec.structs import replace

from keyshop.entrypoints.api.database_metrics import read_database_metrics
from keyshop.kit.database.pool import Database
from keyshop.sync.models import Run
from keyshop.sync.queries import mark_interrupted, record_counts, record_end, start_run
from keyshop.sync.rules import RunKind, RunState
from tests.factories.games import NOON


async def counters(db: Database) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for metric in await read_database_metrics(db)
        if metric.type == "counter"
        for sample in metric.samples
    }


class TestCounters:
    async def test_only_rise_while_runs_start_count_and_end(self, db: Database):
        seen = [await counters(db)]
        for number, state in enumerate([*RunState, RunState.COMPLETE]):
            if state is RunState.RUNNING:
                continue
            run = Run(
                id=f"run {number}",
                kind=RunKind.FULL,
                state=RunState.RUNNING,
                started_at=NOON + timedelta(hours=number),
            )
            async with db.transaction() as tx:
                await start_run(tx, run)
            seen.append(await counters(db))
            run = replace(run, products=20, added=2, updated=3, rejected=1)
            async with db.transaction() as tx:
                assert await record_counts(tx, run)
            seen.append(await counters(db))
            ended = replace(run, state=state, finished_at=run.started_at + timedelta(minutes=1))
            async with db.transaction() as tx:
                if state is RunState.INTERRUPTED:
                    assert await mark_interrupted(tx, run.kind, now=NOON)
                else:
                    assert await record_end(tx, ended)
            seen.append(await counters(db))

        for before, after in itertools.pairwise(seen):
            assert all(after.get(name, -1) >= value for name, value in before.items())
        assert not any("RUNNING" in name for figures in seen for name in figures)
        assert sum(v for name, v in seen[-1].items() if "sync_runs" in name) == len(RunState)
