"""
Log lines: one event each, on standard error.

A terminal gets columns and colours, everything else one JSON object a line. The lines of libraries,
which use the standard library's logging, have the same format.
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
"""The request that is being handled. A variable of its own: binding a logger's fields costs more."""

# Our own lines contain what an operator needs from these libraries.
_VERBOSE_LOGGERS: Final = (
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


_min_level = logging.NOTSET


def configure_logging(log_format: LogFormat | None, level: LogLevel) -> None:
    """Set format and minimum level; None stands for columns on a terminal and JSON elsewhere."""
    global _min_level  # noqa: PLW0603 - a process has one log
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    _min_level = min_level = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_SHARED, *_renderers(chosen)],
        wrapper_class=structlog.make_filtering_bound_logger(min_level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=min_level, force=True)
    # While PostgreSQL is away, it would write a traceback for every attempt to connect.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(min_level, logging.WARNING))


def is_debugging() -> bool:
    """Test whether debug lines are written; a logger needs longer to drop one."""
    return _min_level <= logging.DEBUG


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "json":
        return [
            structlog.processors.ExceptionRenderer(_TRACEBACKS),
            structlog.processors.JSONRenderer(serializer=_encode),
        ]
    return [
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        _as_bytes,
    ]


def _encode(event: EventDict, **_: object) -> bytes:
    # A value that JSON does not support is written as its str.
    return msgspec.json.encode(event, enc_hook=str)


def _as_bytes(_: WrappedLogger, __: str, line: EventDict) -> bytes:
    return str(line).encode()


def _add_request_id(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        line["request_id"] = request_id
    return line


# Tracebacks have no local variables: some of them are secrets.
_TRACEBACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)

_SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    _add_request_id,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class _ToStructlog(logging.Handler):
    """Forwards the lines of libraries to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        exception = record.exc_info if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=exception
        )
