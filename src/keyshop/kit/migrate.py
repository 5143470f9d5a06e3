"""
Bring a database to the schema this version of keyshop works with.

Each revision is applied in a transaction of its own that first takes a lock shared by everybody who
upgrades, and looks where the database stands only then: two upgrades at once take turns. Nothing
outlives a transaction, so a pooler in between does no harm.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Final, Literal, TypeAlias

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from asyncpg import Connection, Record
from msgspec import Struct

from keyshop.kit.database import DatabaseUnavailable
from keyshop.kit.dsn import clean_dsn
from keyshop.kit.errors import Conflict, Invalid

OLDEST_SERVER: Final = 15

# Quoted: only the type checker knows it as generic.
_Connection: TypeAlias = "Connection[Record]"

# What the driver raises when the server is away, or goes away half-way.
_AWAY: Final = (
    OSError,
    asyncpg.AdminShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.CrashShutdownError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
)

_SCRIPTS: Final = "keyshop:migrations"

# An upgrade that is at work is waited for this long.
_WAIT_FOR_TURN: Final = "SET LOCAL lock_timeout = '120s'"
_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('keyshop.kit.migrate', 0))"
_HAS_VERSION: Final = "SELECT to_regclass('keyshop.alembic_version') IS NOT NULL"
_VERSION: Final = "SELECT version_num FROM keyshop.alembic_version"

# Members of extensions are left out: hosted servers put pg_stat_statements into public.
_FOUND: Final = """
    SELECT format('%I.%I', n.nspname, found.name) AS name
    FROM (
        SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS namespace, relname AS name
        FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'pg_type'::regclass, oid, typnamespace, typname
        FROM pg_type WHERE typtype IN ('e', 'd')
    ) AS found
    JOIN pg_namespace AS n ON n.oid = found.namespace AND n.nspname IN ('public', 'keyshop')
    WHERE NOT EXISTS (
        SELECT 1 FROM pg_depend AS d
        WHERE d.classid = found.catalog AND d.objid = found.oid AND d.deptype = 'e'
    )
    ORDER BY n.nspname DESC, found.catalog DESC, found.name COLLATE "C"
"""


class ForeignDatabase(Conflict):
    """The database holds what keyshop did not make."""

    def __init__(self, found: list[str]) -> None:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        super().__init__(
            f"The database is not empty and was not made by keyshop: it holds {shown}."
            " Taking over an existing database is not possible yet; nothing was changed."
            " Name an empty database in DATABASE_URL."
        )


class NewerDatabase(Conflict):
    """The database stands at a revision that this version does not know."""

    def __init__(self, current: str) -> None:
        super().__init__(
            f"The database stands at revision {current}, which this version of keyshop does not"
            " know; nothing was changed. Start a newer version."
        )


class MigrationFailed(Conflict):
    """PostgreSQL refused a revision, and all of it was undone."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        super().__init__(f"The migration {name} was refused and undone. PostgreSQL says: {error}.")


class UpgradeBusy(Conflict):
    """Somebody else is upgrading the same database."""

    def __init__(self) -> None:
        super().__init__(
            "Another upgrade of this database has been at work for two minutes; try again later."
        )


class ServerRefused(Invalid):
    """PostgreSQL answers, but not to this address."""


class Status(Struct, frozen=True):
    """Where a database stands."""

    state: Literal["empty", "ours", "newer", "foreign"]
    current: str | None
    """The revision it stands at."""

    head: str
    """The revision this version of keyshop works with."""

    pending: list[str]
    """Names of the revisions that `upgrade` would apply."""

    found: list[str]
    """In a foreign database: its tables and types."""


class _Revision(Struct, frozen=True):
    id: str
    name: str
    after: str


def upgrade(database_url: str) -> list[str]:
    """
    Bring the database to the newest revision and return the names of those applied.

    Runs an event loop of its own: call it through `asyncio.to_thread` where one is running.

    Raises:
        BadDatabaseUrl: the address is none.
        DatabaseUnavailable: the server does not answer.
        ServerRefused: it refuses the login, has no such database, or is too old.
        ForeignDatabase: the database holds what keyshop did not make.
        NewerDatabase: a newer keyshop has upgraded it.
        MigrationFailed: a revision was refused; those before it stay applied.
        UpgradeBusy: another upgrade did not finish in two minutes.
    """
    # A loop that is never made the thread's current one: the caller's own stays in place.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_upgrade(database_url))


def status(database_url: str) -> Status:
    """
    Return where the database stands and change nothing.

    Runs an event loop of its own, as `upgrade` does.

    Raises:
        BadDatabaseUrl: the address is none.
        DatabaseUnavailable: the server does not answer.
        ServerRefused: it refuses the login, has no such database, or is too old.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_status(database_url))


async def _upgrade(database_url: str) -> list[str]:
    revisions = _list_revisions()
    applied: list[str] = []
    async with _connected(database_url) as connection:
        while name := await _apply_next(connection, revisions):
            applied.append(name)
    return applied


async def _apply_next(connection: _Connection, revisions: list[_Revision]) -> str | None:
    async with connection.transaction():
        await _take_turn(connection)
        found = await _look(connection, revisions)
        if found.state == "foreign":
            raise ForeignDatabase(found.found)
        if found.state == "newer":
            raise NewerDatabase(str(found.current))
        if not found.pending:
            return None
        following = revisions[len(revisions) - len(found.pending)]
        try:
            await connection.execute(_sql_of(following))
        except _AWAY:
            raise
        except asyncpg.PostgresError as error:
            raise MigrationFailed(following.name, error) from error
        return following.name


async def _take_turn(connection: _Connection) -> None:
    await connection.execute(_WAIT_FOR_TURN)
    try:
        await connection.execute(_TAKE_TURN)
    except asyncpg.LockNotAvailableError as error:
        raise UpgradeBusy from error


async def _status(database_url: str) -> Status:
    async with _connected(database_url) as connection:
        return await _look(connection, _list_revisions())


async def _look(connection: _Connection, revisions: list[_Revision]) -> Status:
    current: str | None = None
    if await connection.fetchval(_HAS_VERSION):
        current = await connection.fetchval(_VERSION)
    ids = [revision.id for revision in revisions]
    names = [revision.name for revision in revisions]
    found: list[str] = []

    state: Literal["empty", "ours", "newer", "foreign"]
    if current is None:
        found = [record["name"] for record in await connection.fetch(_FOUND)]
        state, pending = ("foreign", []) if found else ("empty", names)
    elif current in ids:
        state, pending = "ours", names[ids.index(current) + 1 :]
    else:
        state, pending = "newer", []
    return Status(state=state, current=current, head=ids[-1], pending=pending, found=found)


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[_Connection]:
    try:
        connection = await _connect(database_url)
        try:
            yield connection
        finally:
            await connection.close()
    except (*_AWAY, asyncpg.InterfaceError):
        # The driver complains of its own connection when the server left in a transaction.
        raise DatabaseUnavailable from None


async def _connect(database_url: str) -> _Connection:
    url = clean_dsn(database_url).url
    try:
        connection: _Connection = await asyncpg.connect(
            url, statement_cache_size=0, server_settings={"timezone": "UTC"}
        )
    except _AWAY:
        raise
    except (asyncpg.PostgresError, asyncpg.ClientConfigurationError) as error:
        raise ServerRefused(f"PostgreSQL cannot be used by DATABASE_URL: {error}.") from None
    server = connection.get_server_version().major
    if server < OLDEST_SERVER:
        await connection.close()
        raise ServerRefused(
            f"The server is PostgreSQL {server}; keyshop needs {OLDEST_SERVER} or newer."
        )
    return connection


def _list_revisions() -> list[_Revision]:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [
        _Revision(
            id=script.revision,
            name=Path(script.path).stem,
            after=str(script.down_revision or "base"),
        )
        for script in reversed(list(scripts))
    ]


def _sql_of(revision: _Revision) -> str:
    text = StringIO()
    command.upgrade(_config(text), f"{revision.after}:{revision.id}", sql=True)
    return text.getvalue()


def _config(output: StringIO | None = None) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", _SCRIPTS)
    return config
