"""
Connections on which the settings hold that the shop's statements rely on.

A role or a database may have other settings (`ALTER ROLE … SET search_path`). A direct connection sends
ours as start-up parameters, which take precedence. A transaction pooler refuses most of those and gives
each transaction another connection, so behind one they are set at the start of every transaction.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import asyncpg
from asyncpg import Record

from keyshop.kit.database.codecs import AnyConnection
from keyshop.kit.database.errors import REFUSED_FOR_NOW
from keyshop.kit.dsn import Dsn

# Only the type checker knows the class as generic.
Connection: TypeAlias = "asyncpg.Connection[Record]"
if TYPE_CHECKING:
    _Base = asyncpg.Connection[Record]
else:
    _Base = asyncpg.Connection

# Those that every server knows from PostgreSQL 15 on. Costs and sizes of memory are an administrator's.
_PLANS: Final = (
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
)
# Read-only is not among them: an administrator who sets it means it.
_SETTINGS: Final = {
    "search_path": "public, pg_temp",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    # These decide what rows a statement finds, or how long it takes.
    "row_security": "on",
    "gin_fuzzy_search_limit": "0",
    "jit": "off",
    "plan_cache_mode": "auto",
    "from_collapse_limit": "8",
    "join_collapse_limit": "8",
    "geqo_threshold": "12",
    **dict.fromkeys(_PLANS, "on"),
    "lock_timeout": "0",
    # A process that stops between two statements must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "5000",
}
# Behind a pooler, BEGIN names the isolation, and how long a session may be idle is the pooler's affair.
_SESSION_SETTINGS: Final = {
    "default_transaction_isolation": "read committed",
    "idle_session_timeout": "0",
}
# As a start-up parameter it would be refused by servers that do not know it yet.
_TRANSACTION_TIMEOUT_SINCE: Final = 17
_MARGIN: Final = 5.0  # seconds
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED;"


class PooledConnection(_Base):
    """
    A connection through a transaction pooler.

    Every statement runs in a transaction that begins with the shop's settings; one outside a
    transaction gets its own. Notifications do not arrive: a listener has to poll.

    Where PostgreSQL has refused changes, it closes itself instead of rolling back. The pooler then
    closes the server's session as well, which would stay read-only when the server is so no longer.
    """

    settings_statement: ClassVar[str]
    _is_refused = False

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        if query == "ROLLBACK;" and self._is_refused:
            self.terminate()
            return "ROLLBACK"
        if self.is_in_transaction() or "INDEX CONCURRENTLY" in query:
            with self._noting_refusals():
                return await super().execute(query, *args, **options)
        if query.startswith("BEGIN"):
            begin = _BEGIN if query == "BEGIN;" else query
            statements = f"{begin} {self.settings_statement}"
            if _has_transaction_timeout(self):
                statements += " SET LOCAL transaction_timeout = 0;"
            return await super().execute(statements, **options)
        async with self._in_transaction():
            return await super().execute(query, *args, **options)

    async def executemany(self, *args: Any, **options: Any) -> Any:
        async with self._in_transaction():
            return await super().executemany(*args, **options)

    async def fetch(self, *args: Any, **options: Any) -> Any:
        async with self._in_transaction():
            return await super().fetch(*args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        async with self._in_transaction():
            return await super().fetchrow(*args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        async with self._in_transaction():
            return await super().fetchval(*args, **options)

    async def copy_records_to_table(self, *args: Any, **options: Any) -> str:
        async with self._in_transaction():
            return await super().copy_records_to_table(*args, **options)

    async def add_listener(self, channel: str, callback: Any) -> None:
        """Do nothing: the pooler passes no notifications on."""

    async def remove_listener(self, channel: str, callback: Any) -> None:
        """Do nothing, as `add_listener`."""

    @asynccontextmanager
    async def _in_transaction(self) -> AsyncIterator[None]:
        if self.is_in_transaction():
            with self._noting_refusals():
                yield
        else:
            async with self.transaction():
                with self._noting_refusals():
                    yield

    @contextmanager
    def _noting_refusals(self) -> Iterator[None]:
        try:
            yield
        except REFUSED_FOR_NOW:
            self._is_refused = True
            raise


async def connect(
    dsn: Dsn,
    *,
    timeout: float = 60.0,
    command_timeout: float | None = None,
    settings: Mapping[str, str] | None = None,
    statement_cache_size: int = 100,
) -> Connection:
    """
    Open one connection, within `timeout` seconds.

    Raises:
        OSError, asyncpg.InterfaceError, asyncpg.PostgresError: there is no connection.
    """
    connection: Connection = await asyncpg.connect(
        **connect_arguments(
            dsn, settings=settings or {}, statement_cache_size=statement_cache_size
        ),
        timeout=timeout,
        command_timeout=command_timeout,
    )
    if not dsn.pgbouncer:
        await lift_transaction_timeout(connection)
    return connection


async def lift_transaction_timeout(connection: AnyConnection) -> None:
    """Let transactions of a new, direct connection last, where its role or database limits them."""
    if _has_transaction_timeout(connection):
        await connection.execute("SET transaction_timeout = 0")


def _has_transaction_timeout(connection: AnyConnection) -> bool:
    return connection.get_server_version().major >= _TRANSACTION_TIMEOUT_SINCE


def statement_timeout(command_timeout: float) -> dict[str, str]:
    """Return the setting with which PostgreSQL ends what the driver has given up, in seconds."""
    return {"statement_timeout": f"{(command_timeout + _MARGIN) * 1000:.0f}"}


def connect_arguments(
    dsn: Dsn, *, settings: Mapping[str, str], statement_cache_size: int = 100
) -> dict[str, Any]:
    """Return the driver's arguments for connections with the shop's settings and these."""
    # The session of a pooler's connection knows none of our prepared statements.
    common: dict[str, Any] = {"dsn": dsn.url, "ssl": dsn.tls_context()}
    if not dsn.pgbouncer:
        return {
            **common,
            "statement_cache_size": statement_cache_size,
            "server_settings": {**_SETTINGS, **_SESSION_SETTINGS, **settings},
        }
    name = settings.get("application_name")
    return {
        **common,
        "statement_cache_size": 0,
        "server_settings": {"application_name": name} if name else {},
        "connection_class": type(
            PooledConnection.__name__,
            (PooledConnection,),
            {"settings_statement": _to_statement({**_SETTINGS, **settings})},
        ),
    }


def _to_statement(settings: Mapping[str, str]) -> str:
    # Qualified: the role's search_path holds until this statement has run.
    calls = (
        f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in settings.items()
    )
    return f"SELECT {', '.join(calls)};"


def describe_refusal(error: BaseException) -> str:
    """Return why there is no connection, in the words of the server, the pooler or the system."""
    # None of them repeats the password; a refusal for it names the role only.
    # The lines after the first one are hints for other clients.
    first_line = str(error).strip().partition("\n")[0]
    if "unsupported startup parameter" in first_line:
        first_line += "; behind a pooler, DATABASE_URL needs ?pgbouncer=true"
    return first_line.removesuffix(".") or type(error).__name__
