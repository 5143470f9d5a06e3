"""A PgBouncer before a database."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from keyshop.embedded.ports import pick_free
from tests.servers import open_home

PGBOUNCER: Final = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
"""Its program; None: it is not installed."""


@asynccontextmanager
async def pooled(database_url: str, *, sessions: int = 4) -> AsyncIterator[str]:
    """
    Run a PgBouncer in transaction mode, with its stock settings, before the database.

    It opens at most so many sessions. Yields an address of the database through it, whose name and password it does not check.
    """
    assert PGBOUNCER is not None
    port = pick_free()
    with open_home() as home:
        config = _write_config(home, database_url, port=port, sessions=sessions)
        account = ["-u", "nobody"] if os.getuid() == 0 else []
        process = await asyncio.create_subprocess_exec(PGBOUNCER, "-q", *account, config)
        try:
            await _wait_until_listening(port)
            path = urlsplit(database_url).path
            yield f"postgresql://shop@127.0.0.1:{port}{path}?pgbouncer=true&sslmode=disable"
        finally:
            process.terminate()
            await process.wait()


def _write_config(home: Path, database_url: str, *, port: int, sessions: int) -> Path:
    server = urlsplit(database_url)
    config = home / "pgbouncer.ini"
    password = f" password='{unquote(server.password)}'" if server.password else ""
    config.write_text(
        f"[databases]\n* = host={server.hostname} port={server.port} user={server.username}{password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {sessions}\n"
    )
    config.chmod(0o644)
    return config


async def _wait_until_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.02)
