"""What a command works with: settings, an open database, the shop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyshop.assembly import Shop, database_server, open_database, open_shop
from keyshop.kit.database import Database
from keyshop.kit.logs import configure_logging
from keyshop.settings import Settings, load_settings


def read_settings() -> Settings:
    """
    Read the settings and set up the log accordingly.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    return settings


@asynccontextmanager
async def database() -> AsyncIterator[Database]:
    """Lend the shop's database; an embedded one is started for the time being if need be."""
    with database_server(read_settings()) as url:
        async with open_database(url) as db:
            yield db


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    """Lend the shop; an embedded database is started for the time being if need be."""
    settings = read_settings()
    with database_server(settings) as url:
        async with open_shop(settings, url) as parts:
            yield parts
