"""PostgreSQL that refuses for a while what it otherwise does, as its operators meet it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from tests.servers import connected

_CUT: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
    " AND pid <> pg_backend_pid()"
)

REFUSALS: Final = {
    "read-only": ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
    "closed for a restore": ("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"),
}
"""What is wrong, with the words after ALTER DATABASE that begin and end it."""


@asynccontextmanager
async def refusing(url: str, refusal: str) -> AsyncIterator[None]:
    """Let the database refuse for the length of the block; every session is cut at its begin."""
    begin, end = REFUSALS[refusal]
    name = urlsplit(url).path.removeprefix("/")
    async with connected(urlunsplit(urlsplit(url)._replace(path="/postgres"))) as admin:
        await admin.execute(f'ALTER DATABASE "{name}" {begin}')
        try:
            await admin.fetch(_CUT, name)
            yield
        finally:
            await admin.execute(f'ALTER DATABASE "{name}" {end}')


async def cut_sessions(url: str) -> int:
    """Cut every session of the database, and return how many there were."""
    async with connected(urlunsplit(urlsplit(url)._replace(path="/postgres"))) as admin:
        return len(await admin.fetch(_CUT, urlsplit(url).path.removeprefix("/")))
