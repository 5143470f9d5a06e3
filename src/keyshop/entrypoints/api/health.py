"""Health of the process and of the shop's dependencies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

from keyshop.entrypoints.api.probes import Check, CheckResult, Checks, Finding, Probe
from keyshop.kit.cache.background import in_background
from keyshop.kit.clock import utc_now
from keyshop.kit.database.errors import PrivilegeMissing
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import format_utc

_MAX_WAIT: Final = 0.05  # seconds for a finding that is due; /health answers within 100 ms
_DATABASE: Final = "database"
# One of each schema, found without waiting for a lock.
_HAS_TABLES: Final = """
    SELECT coalesce(has_table_privilege(to_regclass('public.games'), 'SELECT'), false)
        AND coalesce(has_table_privilege(to_regclass('keyshop.cache_control'), 'SELECT'), false)
"""
_NO_TABLES: Final = Finding(
    "error", "Tables are missing, as during a restore, or the shop's role may not read them."
)
_READ_ONLY: Final = Finding("ok", "The database is read-only: the shop shows, and sells nothing.")


class HealthReport(msgspec.Struct, frozen=True):
    """What the shop's dependencies were last found to be."""

    status: Literal["ok", "degraded"]
    timestamp: str
    checks: dict[str, CheckResult]
    reasons: dict[str, str]
    """A sentence for each dependency with which something is wrong."""

    age_seconds: dict[str, float | None]
    """How long ago each was looked at; null: not yet."""


class Liveness(msgspec.Struct, frozen=True):
    """The process answers, whatever the state of its dependencies."""

    status: Literal["ok"] = "ok"


_RESPONSES: Final = {
    200: ResponseSpec(HealthReport, description="The shop works.", generate_examples=False),
    503: ResponseSpec(
        HealthReport, description="The database is unavailable.", generate_examples=False
    ),
}


class Health:
    """The probes of one process."""

    def __init__(self, db: Database, checks: Checks) -> None:
        all_checks: Checks = {_DATABASE: Check(lambda: _check_database(db)), **checks}
        self._probes = {name: Probe(check) for name, check in all_checks.items()}

    @asynccontextmanager
    async def run(self, app: Any) -> AsyncIterator[None]:
        """Look at all dependencies in the background, as long as the application runs."""
        del app
        async with AsyncExitStack() as stack:
            for probe in self._probes.values():
                await stack.enter_async_context(in_background(probe.run))
            yield

    async def report(self) -> HealthReport:
        """Return the last findings; those that are due are waited for, for a moment."""
        due = [probe.refresh() for probe in self._probes.values() if probe.is_due]
        if due:
            await asyncio.wait(due, timeout=_MAX_WAIT)
        findings = {name: probe.finding for name, probe in self._probes.items()}
        reasons = {name: found.reason for name, found in findings.items() if found.reason}
        ages = {name: probe.age for name, probe in self._probes.items()}
        return HealthReport(
            status="degraded" if reasons else "ok",
            timestamp=format_utc(utc_now()),
            checks={name: found.result for name, found in findings.items()},
            reasons=reasons,
            age_seconds={
                name: None if age is None else round(age, 3) for name, age in ages.items()
            },
        )


def health_handlers(health: Health) -> list[HTTPRouteHandler]:
    """Return the handlers of /health, /api/health and /live."""

    @get(
        ["/health", "/api/health"],
        tags=["Health"],
        media_type=MediaType.JSON,
        responses=_RESPONSES,
    )
    async def show_health() -> Response[bytes]:
        """Show how database, Redis and the supplier were last found; only the first is required."""
        report = await health.report()
        status = 200 if report.checks[_DATABASE] == "ok" else 503
        return Response(msgspec.json.encode(report), status_code=status, media_type=MediaType.JSON)

    @get(
        "/live",
        tags=["Health"],
        responses={200: ResponseSpec(Liveness, description="It answers.", generate_examples=False)},
    )
    async def live() -> Liveness:
        """Check that this process answers."""
        return Liveness()

    return [show_health, live]


async def _check_database(db: Database) -> Finding:
    async with db.read() as reader:
        try:
            has_tables = await reader.fetchval(_HAS_TABLES)
        except PrivilegeMissing:
            has_tables = False
    if not has_tables:
        return _NO_TABLES
    if await db.is_read_only():
        return _READ_ONLY
    reason = db.refusal
    return Finding("ok", f"The database refuses changes: {reason}." if reason else None)
