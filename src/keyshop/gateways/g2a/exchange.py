"""One call to G2A over HTTP: sent once, observed, with every failure as a supplier error."""

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx2

from keyshop.gateways.g2a.address import api_root
from keyshop.gateways.g2a.budget import Budget
from keyshop.gateways.g2a.calls import Call
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.error_codes import (
    lost_answer_error,
    response_error,
    unreachable_error,
)
from keyshop.gateways.g2a.observe_call import observe_call
from keyshop.gateways.g2a.wire import MalformedResponse
from keyshop.kit.clock import utc_now

_Answer = TypeVar("_Answer")

# G2A's firewall may refuse requests that do not name a program.
_USER_AGENT: Final = "keyshop (G2A buyer API client)"
_CONNECT_TIMEOUT_SECONDS: Final = 5.0
_MAX_BODY_BYTES: Final = 16 * 1024 * 1024  # a page is about 40 kB

# These happen before the request is sent.
_UNSENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class Exchange:
    """Calls to one G2A account. It never repeats a call."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        base_url: str,
        credentials: G2ACredentials,
        budget: Budget | None,
    ) -> None:
        """
        Use the account at `base_url`; without a budget, calls are not limited.

        Raises:
            Invalid: the address is not valid.
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
        Make the call, and return its answer as `read` decodes it.

        Raises:
            SupplierUnavailable: nothing happened.
            SupplierRefused: nothing happened, and trying again will not help.
            OutcomeUnknown: something may have happened.
        """
        if self._budget is not None:
            await self._budget.acquire()
        with observe_call(call) as record:
            response, content = await self._send(call, path, body)
            record.status = response.status_code
            if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                await self._pause_budget(response)
            if not response.is_success:
                raise response_error(
                    call, response.status_code, content, credentials=self._credentials
                )
            try:
                return read(content)
            except MalformedResponse as reason:
                raise lost_answer_error(call, str(reason).rstrip(".")) from reason

    async def _send(
        self, call: Call, path: str, body: bytes | None
    ) -> tuple[httpx2.Response, bytes]:
        try:
            async with asyncio.timeout(call.timeout):
                response = await self._http.send(
                    self._request(call, path, body), stream=True, follow_redirects=False
                )
                try:
                    return response, await _read_body(call, response)
                finally:
                    await response.aclose()
        # The library's errors may quote the request with its credentials, so they are not chained.
        except _UNSENT as error:
            raise unreachable_error(call, self._describe(error)) from None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise lost_answer_error(call, self._describe(error)) from None

    def _describe(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return "the answer timed out"
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
        connect = min(_CONNECT_TIMEOUT_SECONDS, call.timeout)
        return self._http.build_request(
            call.method,
            self._root + path,
            headers=headers,
            content=body,
            timeout=httpx2.Timeout(call.timeout, connect=connect, pool=connect),
        )

    async def _pause_budget(self, response: httpx2.Response) -> None:
        if self._budget is not None:
            await self._budget.pause(_read_retry_after(response.headers.get("retry-after")))


async def _read_body(call: Call, response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise lost_answer_error(call, "its body is too long")
    return bytes(body)


def _read_retry_after(value: str | None) -> float | None:
    """Return the seconds that the header names, as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdecimal() and len(value) < 20:
        return float(value)
    try:
        return (parsedate_to_datetime(value) - utc_now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
