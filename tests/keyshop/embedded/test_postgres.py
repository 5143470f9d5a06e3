import asyncio
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.postgres_data import check_data
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import get_server, list_processes
from tests.servers import open_home

_DATABASE = """
    SELECT concat_ws(
        ', ', datname, CASE datlocprovider WHEN 'b' THEN 'builtin' END, datlocale)
    FROM pg_database WHERE datname = current_database()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A running server, for tests that do not change it."""
    with open_home() as folder, PostgresServer(folder / "home") as server:
        yield server


class TestPostgresServer:
    def test_serves_the_shops_database_as_the_shop_needs_it(self, server):
        wanted = {
            "server_encoding": "UTF8",
            "timezone": "UTC",
            "jit": "off",
            "fsync": "on",
            "data_checksums": "on",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(server.socket.parent),
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
        }

        found = {name: run_sql(server.url, f"SHOW {name}") for name in wanted}

        assert found == wanted
        assert str(run_sql(server.url, "SHOW server_version")).startswith("18.")
        assert run_sql(server.url, _DATABASE) == "keyshop, builtin, C.UTF-8"

    def test_refuses_a_wrong_password(self, server):
        wrong = server.url.replace(server.password, "guessed")

        with pytest.raises(asyncpg.InvalidPasswordError):
            run_sql(wrong, "SELECT 1")

    def test_hides_its_password_from_other_accounts(self, server):
        running = list_processes(server.folder)
        files = [path for path in server.folder.iterdir() if path.is_file()]

        assert not any(server.password in " ".join(process.cmdline()) for process in running)
        assert server.password not in server.log.read_text()
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.folder.stat().st_mode) & 0o066 == 0

    def test_runs_in_a_session_of_its_own_where_ctrl_c_does_not_reach_it(self, server):
        process = get_server(server.folder, "postgres")

        assert os.getsid(process.pid) != os.getsid(0)

    def test_can_be_used_inside_an_event_loop(self, server: PostgresServer):
        async def look() -> bool:
            return server.is_alive()

        assert asyncio.run(look())

    def test_leaves_no_process_behind_and_keeps_its_data_and_its_port(self, home):
        with PostgresServer(home) as server:
            run_sql(server.url, "CREATE TABLE sold AS SELECT 42 AS n", "SELECT 1")
            first_url = server.url

        assert list_processes(home) == []
        assert not server.is_alive()
        with PostgresServer(home) as server:
            assert server.url == first_url
            assert run_sql(server.url, "SELECT n FROM sold") == 42

    def test_works_below_a_path_too_long_for_a_socket_file(self, home):
        deep = home / ("d" * 120) / "home with spaces"

        with PostgresServer(deep) as server:
            assert run_sql(server.url, "SELECT 1") == 1

        assert list_processes(home) == []


class TestCheckData:
    def test_refuses_data_of_another_major_version(self, tmp_path):
        (tmp_path / "password").write_text("x")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "PG_VERSION").write_text("16\n")

        with pytest.raises(EmbeddedServerError, match=r"created by PostgreSQL 16.*KEYSHOP_HOME"):
            check_data(tmp_path / "data", password_file=tmp_path / "password")

    def test_refuses_data_that_others_may_change_before_it_starts(self, home):
        with PostgresServer(home) as server:
            pass
        server.data.chmod(0o777)

        started = time.monotonic()
        with pytest.raises(EmbeddedServerError, match=r"open to other accounts .*chmod 700"):
            PostgresServer(home).start()

        assert time.monotonic() - started < 5

    def test_refuses_data_whose_password_is_missing(self, home):
        with PostgresServer(home) as server:
            pass
        server.password_file.unlink()

        with pytest.raises(EmbeddedServerError, match=r"password .* is missing"):
            PostgresServer(home).start()


class TestNotInstalled:
    def test_says_what_to_install_or_to_set(self):
        source = Path(__file__).parents[3] / "src"
        script = (
            "from keyshop.embedded.binaries import get_postgres_program\n"
            "get_postgres_program('postgres')"
        )

        # Without the site packages, as on a machine where only keyshop itself is installed.
        done = subprocess.run(
            [sys.executable, "-S", "-c", script],
            env={"PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.stderr.strip().endswith(
            "The embedded PostgreSQL is not installed: run pip install keyshop[embedded], "
            "or set DATABASE_URL to your own server."
        )
