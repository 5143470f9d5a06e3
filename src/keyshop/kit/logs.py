"""
Log lines: one event each, on standard error.

People at a terminal read columns and colours; everything else gets one JSON object a line. The
lines of libraries, which use the standard library's logging, come out in the same form.
"""

import logging
import sys
from contextvars import ContextVar
from typing import Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The request in whose course a line is written. One variable: binding a line's fields costs more."""

# What these say at length stands in a line of ours, or is of no use to an operator.
_TALKATIVE: Final = (
    "alembic",
    "asyncpg",
    "httpcore2",
    "httpx2",
    "asyncio",
    "pgqueuer",
    "stamina",
    "uvicorn",
    "litestar",
)


_least = logging.NOTSET


def configure_logging(form: LogFormat | None, level: LogLevel) -> None:
    """Set the form (columns on a terminal, else JSON, when None is given) and the least level."""
    global _least  # noqa: PLW0603 - a process has one log
    chosen = form or ("console" if sys.stderr.isatty() else "json")
    _least = least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_SHARED, *_ending(chosen)],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=least, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))


def is_debugging() -> bool:
    """Test whether lines for debugging are written; a logger takes its time to leave one out."""
    return _least <= logging.DEBUG


def _ending(form: str) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.ExceptionRenderer(_TRACEBACKS),
            structlog.processors.JSONRenderer(serializer=_encode),
        ]
    return [
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        _as_bytes,
    ]


def _encode(event: EventDict, **_: object) -> bytes:
    # Whatever a line holds that JSON does not know is told by its own text.
    return msgspec.json.encode(event, enc_hook=str)


def _as_bytes(_: WrappedLogger, __: str, line: EventDict) -> bytes:
    return str(line).encode()


def _add_request_id(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        line["request_id"] = request_id
    return line


# Local variables are left out of tracebacks: among them are secrets.
_TRACEBACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)

_SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    _add_request_id,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class _ToStructlog(logging.Handler):
    """Passes the lines of libraries on."""

    def emit(self, record: logging.LogRecord) -> None:
        exception = record.exc_info if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=exception
        )
