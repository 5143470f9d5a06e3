"""Is the shop alive, and can it work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import iso

CheckResult: TypeAlias = Literal["ok", "error", "disconnected"]
Checks: TypeAlias = Mapping[str, Callable[[], Awaitable[CheckResult]]]

_TIMEOUT: Final = 2.0  # seconds for each check
_DATABASE: Final = "database"


class Health(msgspec.Struct, frozen=True):
    """What every part of the shop says of itself."""

    status: Literal["ok", "degraded"]
    timestamp: str
    checks: dict[str, CheckResult]


class Alive(msgspec.Struct, frozen=True):
    """The process answers; nothing is said of what it depends on."""

    status: Literal["ok"] = "ok"


def health_handlers(db: Database, checks: Checks) -> list[HTTPRouteHandler]:
    """Return the handlers of /health, /api/health and /live."""
    everything: Checks = {_DATABASE: lambda: _check_database(db), **checks}

    @get(
        ["/health", "/api/health"],
        tags=["Health"],
        media_type=MediaType.JSON,
        responses={
            200: ResponseSpec(Health, description="It works.", generate_examples=False),
            503: ResponseSpec(
                Health, description="The database cannot be used.", generate_examples=False
            ),
        },
    )
    async def health() -> Response[bytes]:
        """Whether the shop can work; without Redis or the supplier it still can."""
        report = await examine(everything)
        status = 200 if report.checks[_DATABASE] == "ok" else 503
        return Response(msgspec.json.encode(report), status_code=status, media_type=MediaType.JSON)

    @get("/live", tags=["Health"])
    async def live() -> Alive:
        """Whether this process answers."""
        return Alive()

    return [health, live]


async def examine(checks: Checks) -> Health:
    """Ask every part at once, none for longer than two seconds."""
    results = await asyncio.gather(*(_patiently(check()) for check in checks.values()))
    found = dict(zip(checks, results, strict=True))
    return Health(
        # "disconnected" is a part that this shop does without, by its settings.
        status="degraded" if "error" in results else "ok",
        timestamp=iso(utc_now()),
        checks=found,
    )


async def _patiently(check: Awaitable[CheckResult]) -> CheckResult:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await check
    except Exception:  # noqa: BLE001 - a check that fails in any way has failed
        return "error"


async def _check_database(db: Database) -> CheckResult:
    async with db.read() as reader:
        return "ok" if await reader.fetchval("SELECT 1") == 1 else "error"
