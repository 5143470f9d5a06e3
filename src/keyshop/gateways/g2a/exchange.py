"""One call to G2A over HTTP: sent once, timed, counted, and sorted into the families of errors."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx2
import structlog
from msgspec import Struct

from keyshop.gateways.g2a.address import api_root
from keyshop.gateways.g2a.budget import Budget
from keyshop.gateways.g2a.calls import Call
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.error_codes import broken, refusal, unreachable
from keyshop.gateways.g2a.metrics import CALL_SECONDS, CALLS
from keyshop.gateways.g2a.wire import Unreadable
from keyshop.kit.clock import utc_now
from keyshop.supplier.errors import (
    OutcomeUnknown,
    SupplierError,
    SupplierRefused,
    SupplierUnavailable,
)

_Answer = TypeVar("_Answer")

_log = structlog.get_logger(__name__)

# Names a program, as G2A's firewall likes callers to do.
_USER_AGENT: Final = "keyshop (G2A buyer API client)"
_CONNECT_SECONDS: Final = 5.0
_MAX_BODY: Final = 16 * 1024 * 1024  # bytes; a page is about 40 kB

# The request was still here when these happened.
_NEVER_LEFT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)

_OUTCOMES: Final = {
    SupplierUnavailable: "unavailable",
    SupplierRefused: "refused",
    OutcomeUnknown: "unknown",
}


class _Seen(Struct):
    status: int | None = None


class Exchange:
    """The way to one G2A account; it repeats nothing by itself."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        base_url: str,
        credentials: G2ACredentials,
        budget: Budget | None,
    ) -> None:
        """
        Remember the way; without a budget, calls are made as fast as they come.

        Raises:
            Invalid: the address is none.
        """
        self._http = http
        self._root = api_root(base_url)
        self._credentials = credentials
        self._authorization = credentials.authorization()
        self._budget = budget

    async def perform(
        self,
        call: Call,
        path: str,
        *,
        read: Callable[[bytes], _Answer],
        body: bytes | None = None,
    ) -> _Answer:
        """
        Make the call and return what `read` makes of its answer.

        Raises:
            SupplierUnavailable: nothing happened.
            SupplierRefused: nothing happened, and never will.
            OutcomeUnknown: something may have happened.
        """
        if self._budget is not None:
            await self._budget.take()
        with _observed(call) as seen:
            response, content = await self._send(call, path, body)
            seen.status = response.status_code
            if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                await self._slow_down(response)
            if not response.is_success:
                raise refusal(call, response.status_code, content, credentials=self._credentials)
            try:
                return read(content)
            except Unreadable as reason:
                raise broken(call, str(reason).rstrip(".")) from reason

    async def _send(
        self, call: Call, path: str, body: bytes | None
    ) -> tuple[httpx2.Response, bytes]:
        try:
            async with asyncio.timeout(call.seconds):
                response = await self._http.send(
                    self._request(call, path, body), stream=True, follow_redirects=False
                )
                try:
                    return response, await _read_body(call, response)
                finally:
                    await response.aclose()
        # The library's errors can quote the request, so they are told and not chained.
        except _NEVER_LEFT as error:
            raise unreachable(call, self._describe(error)) from None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise broken(call, self._describe(error)) from None

    def _describe(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return "no answer in time"
        kind, text = type(error).__name__, str(error)
        return f"{kind}, {text}" if text and not self._credentials.appear_in(text) else kind

    def _request(self, call: Call, path: str, body: bytes | None) -> httpx2.Request:
        headers = {
            "Authorization": self._authorization.reveal(),
            "Accept": "application/json",
            "User-Agent": _USER_AGENT,
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        elif call.method != "GET":
            headers["Content-Length"] = "0"
        connect = min(_CONNECT_SECONDS, call.seconds)
        return self._http.build_request(
            call.method,
            self._root + path,
            headers=headers,
            content=body,
            timeout=httpx2.Timeout(call.seconds, connect=connect, pool=connect),
        )

    async def _slow_down(self, response: httpx2.Response) -> None:
        if self._budget is not None:
            await self._budget.pause(_read_retry_after(response.headers.get("retry-after")))


async def _read_body(call: Call, response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BODY:
            raise broken(call, "its body has no end")
    return bytes(body)


def _read_retry_after(value: str | None) -> float | None:
    """Return the seconds that the header asks for, given as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdecimal() and len(value) < 20:
        return float(value)
    try:
        return (parsedate_to_datetime(value) - utc_now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


@contextmanager
def _observed(call: Call) -> Iterator[_Seen]:
    """Count, time and log what happens inside."""
    seen = _Seen()
    started = time.perf_counter()
    try:
        yield seen
    except SupplierError as error:
        outcome = _OUTCOMES[_family(error)]
        _record(call, seen, outcome, started)
        _log.warning(
            "supplier.call_failed",
            endpoint=call.endpoint,
            outcome=outcome,
            status=seen.status,
            code=error.code,
            reason=str(error),
            ms=_milliseconds(started),
        )
        raise
    _record(call, seen, "ok", started)


def _record(call: Call, seen: _Seen, outcome: str, started: float) -> None:
    CALLS.labels(call.endpoint, outcome).inc()
    CALL_SECONDS.labels(call.endpoint).observe(time.perf_counter() - started)
    if outcome == "ok":
        _log.debug(
            "supplier.call",
            endpoint=call.endpoint,
            outcome=outcome,
            status=seen.status,
            ms=_milliseconds(started),
        )


def _family(error: SupplierError) -> type[SupplierError]:
    return next(kind for kind in _OUTCOMES if isinstance(error, kind))


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
