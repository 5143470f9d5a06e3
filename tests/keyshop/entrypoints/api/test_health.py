"""Health is answered at once, from what was last found; metrics do not wait for the database."""

import asyncio
import time

import pytest

from keyshop.entrypoints.api.probes import Check, Finding, Probe
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.keyshop.entrypoints.api.conftest import client_of

pytestmark = pytest.mark.timed


async def _hang() -> Finding:
    await asyncio.sleep(3600)
    raise AssertionError


class TestHealth:
    async def test_does_not_wait_for_a_supplier_that_hangs(self, stocked: Database):
        async with client_of(make_app(stocked, checks={"g2a": Check(_hang)})) as client:
            began = time.monotonic()
            answers = [(await client.get("/health")).json() for _ in range(3)]
            seconds = time.monotonic() - began

        assert seconds / 3 < 0.1
        assert answers[-1]["status"] == "degraded"
        assert answers[-1]["checks"] == {"database": "ok", "g2a": "error"}
        assert answers[-1]["reasons"] == {"g2a": "It was not reached yet."}
        assert answers[-1]["age_seconds"]["g2a"] is None
        assert 0 <= answers[-1]["age_seconds"]["database"] < 1

    async def test_is_degraded_while_the_database_is_read_only(self, database_url: str):
        separator = "&" if "?" in database_url else "?"
        read_only = f"{database_url}{separator}options=-c%20default_transaction_read_only%3Don"
        db = Database(read_only, guard=RedisCommitGuard(None))
        await db.open()
        try:
            async with client_of(make_app(db)) as client:
                answer = await client.get("/health")
        finally:
            await db.close()

        assert answer.status_code == 200
        assert answer.json()["status"] == "degraded"
        assert answer.json()["checks"] == {"database": "ok"}
        assert "read-only" in answer.json()["reasons"]["database"]

    async def test_tells_how_old_a_finding_is(self, stocked: Database):
        looks = 0

        async def look() -> Finding:
            nonlocal looks
            looks += 1
            return Finding("ok")

        async with client_of(make_app(stocked, checks={"g2a": Check(look, 60)})) as client:
            ages = [(await client.get("/health")).json()["age_seconds"]["g2a"] for _ in range(5)]

        assert ages == sorted(ages)
        assert looks == 1


class TestProbe:
    async def test_looks_again_by_itself_and_sooner_after_an_error(self):
        found = iter([Finding("error", "It is away."), Finding("ok"), Finding("ok")])
        seen = asyncio.Event()

        async def look() -> Finding:
            finding = next(found, Finding("ok"))
            if finding.result == "ok":
                seen.set()
            return finding

        probe = Probe(Check(look, 3600))
        running = asyncio.create_task(probe.run())
        async with asyncio.timeout(5):
            await seen.wait()
            await probe.refresh()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert not probe.is_due
