"""The servers and databases of a test run, shared by all its processes."""

import asyncio
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import asyncpg

from keyshop.embedded.locks import exclusive_lock, open_lock, try_acquire_exclusive

TEMPLATE = "shop_template"

# The data of a test run need not survive a power cut.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "512MB",
    "max_connections": "300",
}

_PREFIX = "keyshop-tests-"
_MEMORY = Path("/dev/shm")
_ENOUGH_MEMORY = 4 * 1024**3  # bytes
_AN_HOUR = 3600


class Postgres(Protocol):
    """A PostgreSQL server as the tests use it: embedded, or another version."""

    @property
    def folder(self) -> Path:
        """The folder for files about the server."""
        ...

    def url_of(self, database: str) -> str:
        """Return the URL of one of its databases."""
        ...


@contextmanager
def open_run_home() -> Iterator[Path]:
    """Create the folder of one run's servers, and remove it at the end."""
    _remove_abandoned_homes()
    with open_home() as home, exclusive_lock(home / "run.lock"):
        yield home


@contextmanager
def open_home() -> Iterator[Path]:
    """
    Create a folder that every account may enter, and remove it at the end.

    Pytest's own folders are closed to other accounts, and a PostgreSQL that root starts runs as one.
    """
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_find_fast_folder()))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def end_with_parent() -> None:
    """End this process soon after its parent, even when a test hangs."""

    def watch(parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()


async def ensure_template(server: Postgres) -> str:
    """Create the migrated database that tests copy, unless another process has created it."""
    from keyshop.schema.migrate import upgrade

    with exclusive_lock(server.folder / "template.lock"):
        async with connected(server.url_of("postgres")) as admin:
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
                # Renamed when complete: after a failed upgrade, every test then shows the reason.
                unfinished = f"{TEMPLATE}_{uuid.uuid4().hex}"
                await admin.execute(f'CREATE DATABASE "{unfinished}"')
                await asyncio.to_thread(upgrade, server.url_of(unfinished))
                await admin.execute(f'ALTER DATABASE "{unfinished}" RENAME TO {TEMPLATE}')
    return TEMPLATE


@asynccontextmanager
async def copied_database(server: Postgres, template: str) -> AsyncIterator[str]:
    """Create a copy of a database, yield its URL, and drop it at the end."""
    name = f"test_{uuid.uuid4().hex}"
    async with connected(server.url_of("postgres")) as admin:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield server.url_of(name)
        finally:
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Connect to a database for the length of a block."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        yield connection
    finally:
        await connection.close()


def _find_fast_folder() -> Path:
    """Return a folder in memory where there is room: each test has a database of its own."""
    is_free = "TMPDIR" not in os.environ and _MEMORY.is_dir()
    if is_free and shutil.disk_usage(_MEMORY).free >= _ENOUGH_MEMORY:
        return _MEMORY
    return Path(tempfile.gettempdir())


def _remove_abandoned_homes() -> None:
    # A killed run could not remove its folder; its servers have stopped.
    for home in _find_fast_folder().glob(f"{_PREFIX}*"):
        try:
            if home.stat().st_mtime < time.time() - _AN_HOUR and _is_abandoned(home):
                shutil.rmtree(home, ignore_errors=True)
        except OSError:
            continue  # it belongs to another account, or another run removes it now


def _is_abandoned(home: Path) -> bool:
    lock = open_lock(home / "run.lock")
    try:
        return try_acquire_exclusive(lock)
    finally:
        os.close(lock)
