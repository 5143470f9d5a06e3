"""The shop works behind a pooler, and with a role whose settings are another application's."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import pytest

from keyshop.embedded.ports import pick_free
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import new_email, open_browser
from tests.factories.games import make_game
from tests.servers import connected, open_home

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

HOSTILE = {
    "search_path": "hostile, pg_temp",
    "default_transaction_isolation": "serializable",
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "timezone": "Pacific/Kiritimati",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "statement_timeout": "200ms",
    "lock_timeout": "1ms",
}


@asynccontextmanager
async def hostile_settings(database_url: str) -> AsyncIterator[None]:
    """Give the database foreign settings, and a schema in which our tables' names are taken."""
    name = unquote(urlsplit(database_url).path[1:])
    async with connected(database_url) as admin:
        await admin.execute("CREATE SCHEMA hostile")
        for table in ("users", "games", "carts", "cart_items"):
            await admin.execute(f"CREATE TABLE hostile.{table} (nothing int)")
        for setting, value in HOSTILE.items():
            text = value if setting == "search_path" else f"'{value}'"
            await admin.execute(f'ALTER DATABASE "{name}" SET {setting} = {text}')
        yield


@asynccontextmanager
async def pooled(database_url: str) -> AsyncIterator[str]:
    """Run a PgBouncer in transaction mode, with its stock settings, before the database."""
    assert PGBOUNCER is not None
    server = urlsplit(database_url)
    port = pick_free()
    host = server.hostname or "127.0.0.1"
    with open_home() as home:
        config = home / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host={host} port={server.port} user={server.username}"
            f" password='{unquote(server.password or '')}'\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\n"
        )
        config.chmod(0o644)
        account = ["-u", "nobody"] if os.getuid() == 0 else []
        process = await asyncio.create_subprocess_exec(PGBOUNCER, "-q", *account, config)
        try:
            await _wait_until_listening(port)
            yield f"postgresql://shop@127.0.0.1:{port}{server.path}?pgbouncer=true&sslmode=disable"
        finally:
            process.terminate()
            await process.wait()


async def _wait_until_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.02)


async def shop_for_a_while(database_url: str) -> None:
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    try:
        iron, rust = [await make_game(db, title=title) for title in ("Iron", "Rust")]
        app = make_app(db)
        email = new_email()
        async with open_browser(app) as laptop:
            await laptop.put(iron, rust)
            await laptop.register(email=email)
            assert await laptop.cart() == {iron: 1, rust: 1}
        async with db.read() as reader:
            assert await reader.fetchval("SELECT count(*) FROM users WHERE email = $1", email) == 1
            assert await reader.fetchval("SHOW datestyle") == "ISO, MDY"
            assert await reader.fetchval("SHOW timezone") == "UTC"
        async with db.transaction() as tx:
            assert await tx.fetchval("SHOW transaction_isolation") == "read committed"
    finally:
        await db.close()


class TestForeignSettings:
    async def test_of_the_database_do_not_reach_the_shop(self, database_url: str) -> None:
        async with hostile_settings(database_url):
            await shop_for_a_while(database_url)


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
class TestPooler:
    async def test_serves_guests_and_customers(self, database_url: str) -> None:
        async with pooled(database_url) as url:
            await shop_for_a_while(url)

    async def test_hides_foreign_settings(self, database_url: str) -> None:
        async with hostile_settings(database_url), pooled(database_url) as url:
            await shop_for_a_while(url)
