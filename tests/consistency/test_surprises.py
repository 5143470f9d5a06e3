"""A process of the shop that ends by itself fails the run, and its last words are in the report."""

import asyncio
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.consistency.findings import Findings
from tests.consistency.journal import Journal
from tests.consistency.nemeses import Nemeses
from tests.consistency.options import Options
from tests.consistency.parts import Parts
from tests.consistency.processes import Child
from tests.consistency.recovery import RecoveryWatch
from tests.consistency.report import Result, write_report
from tests.factories.cached_shop import until

_DYING = ["/bin/sh", "-c", "echo 'Traceback of the worker' >&2; exit 3"]


async def has_ended(journal: Journal) -> bool:
    return bool(journal.surprises)


class TestProcessThatEndsByItself:
    async def test_fails_the_run_and_is_quoted(self, tmp_path: Path):
        options = Options(seconds=1, seed=1)
        parts = Parts(tmp_path, options, database_url="postgresql://nothing")
        worker = Child("worker0", lambda: _DYING, env=dict(os.environ), log=tmp_path / "w.log")
        parts.workers.append(worker)
        journal, recovery = Journal(), RecoveryWatch([])
        worker.start()

        keeping = asyncio.create_task(Nemeses(parts, journal, recovery).keep_alive())
        await until(lambda: has_ended(journal))
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        worker.end()

        result = Result("check", options, 1.0, Findings(), journal, recovery, {"game": Counter()})
        report = write_report(result)
        assert not result.is_good
        assert report.startswith("# FAILED: ")
        assert "worker0 ended by itself" in report
        assert "exit status 3" in report
        assert "Traceback of the worker" in report
