"""Health is answered at once, from what was last found; metrics do not wait for the database."""

import asyncio
import time
from contextlib import suppress

import pytest
from prometheus_client.core import Metric

from keyshop.entrypoints.api.probes import Check, Finding, Probe
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.hostile import powerless_role
from tests.keyshop.entrypoints.api.conftest import client_of
from tests.servers import connected

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

    @pytest.mark.parametrize("table", ["public.games", "keyshop.cache_control"])
    async def test_is_an_error_while_tables_are_missing(
        self, db: Database, database_url: str, table: str
    ):
        async with connected(database_url) as admin:
            await admin.execute(f"ALTER TABLE {table} RENAME TO later")
        async with client_of(make_app(db)) as client:
            answer = await client.get("/health")

        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "error"}
        assert "Tables are missing" in answer.json()["reasons"]["database"]

    async def test_is_an_error_while_its_role_may_not_read_the_tables(self, database_url: str):
        async with powerless_role(database_url) as url:
            powerless = Database(url, guard=RedisCommitGuard(None))
            await powerless.open()
            async with client_of(make_app(powerless)) as client:
                answer = await client.get("/health")
            await powerless.close()

        assert answer.status_code == 503
        assert "may not read them" in answer.json()["reasons"]["database"]

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


class TestMetrics:
    async def test_are_shown_without_those_of_a_database_that_hangs(self, stocked: Database):
        begun = 0

        async def hang() -> list[Metric]:
            nonlocal begun
            begun += 1
            await asyncio.sleep(3600)
            raise AssertionError

        async with client_of(make_app(stocked, read_metrics=hang)) as client:
            began = time.monotonic()
            answers = [await client.get("/metrics") for _ in range(3)]
            seconds = time.monotonic() - began

        assert seconds / 3 < 0.25
        assert all("keyshop_http_requests_total" in answer.text for answer in answers)
        assert begun == 1

    async def test_are_shown_without_those_that_cannot_be_read(self, stocked: Database):
        async def fail() -> list[Metric]:
            raise ValueError("secret-of-the-house")

        async with client_of(make_app(stocked, read_metrics=fail)) as client:
            answer = await client.get("/metrics")

        assert answer.status_code == 200
        assert "keyshop_http_requests_total" in answer.text


class TestProbe:
    async def test_reports_what_does_not_even_end_when_it_is_cancelled(self):
        free = asyncio.Event()

        async def hang() -> Finding:
            while not free.is_set():
                with suppress(asyncio.CancelledError):
                    await free.wait()
            return Finding("ok")

        probe = Probe(Check(hang))
        await probe.refresh()
        found = [probe.finding.result]
        free.set()
        await probe.refresh()

        assert [*found, probe.finding.result] == ["error", "ok"]

    async def test_looks_again_by_itself_and_sooner_after_an_error(self):
        found = iter([Finding("error", "It is away."), Finding("ok"), Finding("ok")])
        seen = asyncio.Event()

        async def look() -> Finding:
            finding = next(found, Finding("ok"))
            if finding.result == "ok":
                seen.set()
            return finding

        probe = Probe(Check(look, 20))
        running = asyncio.create_task(probe.run())
        async with asyncio.timeout(10):
            await seen.wait()
            await probe.refresh()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert not probe.is_due
