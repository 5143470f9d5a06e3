"""Count, time and log one call to G2A."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from msgspec import Struct

from keyshop.gateways.g2a.calls import Call
from keyshop.gateways.g2a.metrics import CALL_SECONDS, CALLS
from keyshop.supplier.errors import (
    OutcomeUnknown,
    SupplierError,
    SupplierRefused,
    SupplierUnavailable,
)

_log = structlog.get_logger(__name__)

_OUTCOMES: Final = {
    SupplierUnavailable: "unavailable",
    SupplierRefused: "refused",
    OutcomeUnknown: "unknown",
}


class CallRecord(Struct):
    """What became known of a call while it was made."""

    status: int | None = None


@contextmanager
def observe_call(call: Call) -> Iterator[CallRecord]:
    record = CallRecord()
    started = time.perf_counter()
    try:
        yield record
    except SupplierError as error:
        outcome = _outcome(error)
        seconds = _count(call, outcome, started)
        _log.warning(
            "supplier.call_failed",
            endpoint=call.endpoint,
            outcome=outcome,
            status=record.status,
            code=error.code,
            reason=str(error),
            ms=_milliseconds(seconds),
        )
        raise
    seconds = _count(call, "ok", started)
    _log.debug(
        "supplier.call",
        endpoint=call.endpoint,
        outcome="ok",
        status=record.status,
        ms=_milliseconds(seconds),
    )


def _count(call: Call, outcome: str, started: float) -> float:
    seconds = time.perf_counter() - started
    CALLS.labels(call.endpoint, outcome).inc()
    CALL_SECONDS.labels(call.endpoint).observe(seconds)
    return seconds


def _outcome(error: SupplierError) -> str:
    return next(name for family, name in _OUTCOMES.items() if isinstance(error, family))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
