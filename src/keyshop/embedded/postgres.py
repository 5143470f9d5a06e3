"""The embedded PostgreSQL 18: on a socket and a loopback port, with a password."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, TypeVar

import asyncpg

from keyshop.embedded.binaries import get_postgres_program
from keyshop.embedded.folder import make_password, open_log
from keyshop.embedded.ports import HOST
from keyshop.embedded.postgres_data import check_data, make_data, take_over_pid_file
from keyshop.embedded.processes import Program, spawn_detached
from keyshop.embedded.run_as import choose_account, plain_environment
from keyshop.embedded.shared_server import SharedServer

Answer = TypeVar("Answer")

USER = "keyshop"
DATABASE = "keyshop"

_ANSWER_TIMEOUT = 10

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "fsync": "on",
}


class PostgresServer(SharedServer):
    """The shop's own PostgreSQL. Extra `settings` apply if this object starts the server."""

    title: ClassVar[str] = "PostgreSQL"
    name: ClassVar[str] = "postgres"
    start_seconds: ClassVar[float] = 120.0  # after a crash it replays its log first

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(home)
        self._settings = {**_SETTINGS, **(settings or {})}

    @property
    def url(self) -> str:
        """The address of the shop's database on the loopback port, with the password."""
        return self.url_of(DATABASE)

    @property
    def socket_url(self) -> str:
        """The address of the shop's database on the socket, with the password."""
        return self._socket_url_of(DATABASE)

    @property
    def socket(self) -> Path:
        return self._socket_folder / f".s.PGSQL.{self.port}"

    @property
    def data(self) -> Path:
        """The folder of the database files."""
        return self.folder / "data"

    def url_of(self, database: str) -> str:
        """Return the address of any database of this server on its port, with the password."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Use the server: start it unless it runs, and create the shop's database if it is missing."""
        super().start()
        try:
            _run_in_thread(_create_database(self._socket_url_of("postgres")))
        except BaseException:
            self.release()
            raise

    def _socket_url_of(self, database: str) -> str:
        login = f"{USER}:{self.password}"
        return f"postgresql://{login}@/{database}?host={self._socket_folder}&port={self.port}"

    def _answers(self) -> bool:
        return _run_in_thread(_answers(self._socket_url_of("postgres"), data=self.data))

    @property
    def _program(self) -> Program:
        # SIGINT rolls back running transactions; SIGTERM would wait until all clients have left.
        return Program("/postgres -D", str(self.data), signal.SIGINT, timeout_seconds=20.0)

    def _prepare(self) -> None:
        program = get_postgres_program("postgres")
        account = choose_account(data=self.data, program=program)
        if self.data.exists():
            check_data(self.data, password_file=self.password_file)
            account.chown_tree(self.data)
        else:
            make_password(self.password_file)
            make_data(self.data, user=USER, password=self.password, account=account)

    def _launch(self) -> subprocess.Popen[bytes]:
        take_over_pid_file(self.data, program=self._program)
        program = get_postgres_program("postgres")
        account = choose_account(data=self.data, program=program)
        self._make_socket_folder(account)
        for left_behind in self._socket_folder.glob(".s.PGSQL.*"):
            # After a crash its lock may name the pid of another process by now.
            left_behind.unlink()
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        log = open_log(self.log)
        try:
            return spawn_detached(
                [program, "-D", self.data, f"--port={self.port}", *options],
                account=account,
                log=log,
                environment=plain_environment(),
            )
        finally:
            os.close(log)


async def _answers(url: str, *, data: Path) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT):
            connection = await asyncpg.connect(url, ssl=False)
            try:
                # A copy of a home has the same port and password, but other data.
                return bool(await connection.fetchval("SHOW data_directory") == str(data))
            finally:
                connection.terminate()
    except asyncpg.TooManyConnectionsError:
        return True
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ):
        return False


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url, ssl=False, timeout=10)
    try:
        exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE)
        if not exists:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass  # another process created it at the same moment
    finally:
        await connection.close()


def _run_in_thread(work: Coroutine[None, None, Answer]) -> Answer:
    """Run a coroutine in a thread, because the caller may have an event loop already."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
