"""What a command works with: settings, an open database, the shop."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from asyncpg import InvalidSchemaNameError, UndefinedFunctionError, UndefinedTableError

from keyshop.assembly import Shop, database_server, open_database, open_servers, open_shop
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Conflict
from keyshop.kit.logs import configure_logging
from keyshop.settings import Settings, load_settings


def read_settings(*, shows_progress: bool = False) -> Settings:
    """
    Read the settings and set up the log accordingly.

    A command that shows its progress on a terminal leaves out the lines that say the same.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings()
    told_twice = shows_progress and sys.stderr.isatty() and settings.log_level == "info"
    configure_logging(settings.log_format, "warning" if told_twice else settings.log_level)
    return settings


@contextmanager
def upgraded() -> Iterator[None]:
    """
    Expect a database with the tables of this version.

    Raises:
        Conflict: it has others, or none.
    """
    try:
        yield
    except (UndefinedTableError, UndefinedFunctionError, InvalidSchemaNameError) as error:
        raise Conflict(
            "The database does not have all that this version needs; run `keyshop db upgrade` first."
        ) from error


@asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """Lend the shop's database; an embedded one is started for the time being if need be."""
    with database_server(read_settings()) as url, upgraded():
        async with open_database(url) as db:
            yield db


@asynccontextmanager
async def shop(*, shows_progress: bool = False) -> AsyncIterator[Shop]:
    """Lend the shop; embedded servers are started for the time being if need be."""
    settings = read_settings(shows_progress=shows_progress)
    with open_servers(settings) as servers, upgraded():
        async with open_shop(settings, servers) as parts:
            yield parts
