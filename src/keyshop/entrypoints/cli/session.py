"""What commands work with: settings, an open database, the shop."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg

from keyshop.assembly import Shop, open_database, open_shop
from keyshop.kit.database.errors import SCHEMA_CHANGED, PrivilegeMissing, SchemaChanged
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Conflict
from keyshop.kit.logs import configure_logging
from keyshop.servers import database_server, open_servers
from keyshop.settings import Settings, load_settings


def read_settings(*, shows_progress: bool = False) -> Settings:
    """
    Read the settings and configure the log.

    A command that shows its progress on a terminal leaves out log lines of level info.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings()
    hides_info = shows_progress and sys.stderr.isatty() and settings.log_level == "info"
    configure_logging(settings.log_format, "warning" if hides_info else settings.log_level)
    return settings


# An unreleased version's tables have other columns.
_OUTDATED_SCHEMA: Final = (SchemaChanged, *SCHEMA_CHANGED)


class DatabaseOutdated(Conflict):
    """The database lacks tables, columns or functions of this version."""

    def __init__(self) -> None:
        super().__init__(
            "The database lacks tables that this version needs; run `keyshop db upgrade` first."
        )


@contextmanager
def require_upgraded_database() -> Iterator[None]:
    """
    Refuse a database that lacks this version's tables, columns or functions, or access to them.

    Raises:
        DatabaseOutdated: they are missing.
        PrivilegeMissing: the role may not use them; the sentence names what.
    """
    try:
        yield
    except _OUTDATED_SCHEMA as error:
        raise DatabaseOutdated from error
    except (PrivilegeMissing, asyncpg.InsufficientPrivilegeError) as error:
        refusal = error.__cause__ if isinstance(error, PrivilegeMissing) else error
        raise PrivilegeMissing(refusal) from error


@asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """Open the shop's database; an embedded server runs for the length of the block."""
    with database_server(read_settings()) as url, require_upgraded_database():
        async with open_database(url) as db:
            yield db


@asynccontextmanager
async def shop(*, shows_progress: bool = False) -> AsyncIterator[Shop]:
    """Open the shop; embedded servers run for the length of the block."""
    settings = read_settings(shows_progress=shows_progress)
    with open_servers(settings) as servers, require_upgraded_database():
        async with open_shop(settings, servers) as parts:
            yield parts
