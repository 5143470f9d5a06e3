"""The servers and databases that a test run makes for itself, shared by all its processes."""

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
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}

_PREFIX = "keyshop-tests-"
_AN_HOUR = 3600


class Postgres(Protocol):
    """What tests ask of a server, whoever started it."""

    @property
    def folder(self) -> Path:
        """Where files about it may be kept."""
        ...

    def url_of(self, database: str) -> str:
        """Return the address of any of its databases."""
        ...


@contextmanager
def open_run_home() -> Iterator[Path]:
    """Make the folder of one run's servers, and remove it at the end."""
    _remove_forgotten_homes()
    with open_home() as home, exclusive_lock(home / "run.lock"):
        yield home


@contextmanager
def open_home() -> Iterator[Path]:
    """
    Make a folder that every account may pass through, and remove it at the end.

    Pytest's own folders are closed to others, and a PostgreSQL that root starts runs as another.
    """
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def end_with_parent() -> None:
    """End this process soon after the one that started it, even when a test hangs."""

    def watch(parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()


async def ensure_template(server: Postgres) -> str:
    """Create the migrated database that tests copy, unless another process of the run has."""
    from keyshop.schema.migrate import upgrade

    with exclusive_lock(server.folder / "template.lock"):
        async with connected(server.url_of("postgres")) as admin:
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
                # Named when complete, so that a run that fails half-way shows why in every test.
                aside = f"{TEMPLATE}_{uuid.uuid4().hex}"
                await admin.execute(f'CREATE DATABASE "{aside}"')
                await asyncio.to_thread(upgrade, server.url_of(aside))
                await admin.execute(f'ALTER DATABASE "{aside}" RENAME TO {TEMPLATE}')
    return TEMPLATE


@asynccontextmanager
async def copied_database(server: Postgres, template: str) -> AsyncIterator[str]:
    """Make a copy of a database, say its address, and drop it at the end."""
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


def _remove_forgotten_homes() -> None:
    # A run that was killed could not remove its folder; its servers stopped all the same.
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if home.stat().st_mtime < time.time() - _AN_HOUR and _is_forgotten(home):
                shutil.rmtree(home, ignore_errors=True)
        except OSError:
            continue  # it belongs to another account, or another run removes it now


def _is_forgotten(home: Path) -> bool:
    lock = open_lock(home / "run.lock")
    try:
        return try_acquire_exclusive(lock)
    finally:
        os.close(lock)
