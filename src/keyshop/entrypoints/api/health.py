"""Health checks of the process and of the shop's dependencies."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import format_utc

CheckResult: TypeAlias = Literal["ok", "error", "disconnected"]
"""`disconnected`: the settings leave this dependency out."""

Checks: TypeAlias = Mapping[str, Callable[[], Awaitable[CheckResult]]]

_TIMEOUT: Final = 2.0  # seconds for each check
_DATABASE: Final = "database"


class HealthReport(msgspec.Struct, frozen=True):
    """The results of all checks."""

    status: Literal["ok", "degraded"]
    timestamp: str
    checks: dict[str, CheckResult]


class Liveness(msgspec.Struct, frozen=True):
    """The process answers, whatever the state of its dependencies."""

    status: Literal["ok"] = "ok"


_RESPONSES: Final = {
    200: ResponseSpec(HealthReport, description="The shop works.", generate_examples=False),
    503: ResponseSpec(
        HealthReport, description="The database is unavailable.", generate_examples=False
    ),
}


def health_handlers(db: Database, checks: Checks) -> list[HTTPRouteHandler]:
    """Return the handlers of /health, /api/health and /live."""
    all_checks: Checks = {_DATABASE: lambda: _check_database(db), **checks}

    @get(
        ["/health", "/api/health"],
        tags=["Health"],
        media_type=MediaType.JSON,
        responses=_RESPONSES,
    )
    async def health() -> Response[bytes]:
        """Check the database, Redis and the supplier; only the database is required."""
        report = await run_checks(all_checks)
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

    return [health, live]


async def run_checks(checks: Checks) -> HealthReport:
    """Run all checks at the same time, for at most two seconds."""
    results = await asyncio.gather(*(_run_check(check()) for check in checks.values()))
    return HealthReport(
        status="degraded" if "error" in results else "ok",
        timestamp=format_utc(utc_now()),
        checks=dict(zip(checks, results, strict=True)),
    )


async def _run_check(check: Awaitable[CheckResult]) -> CheckResult:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await check
    except Exception:  # noqa: BLE001 - any exception is a failed check
        return "error"


async def _check_database(db: Database) -> CheckResult:
    async with db.read() as reader:
        return "ok" if await reader.fetchval("SELECT 1") == 1 else "error"
