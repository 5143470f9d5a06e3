"""A home may have any name; no server listens where it should not."""

import socket
from pathlib import Path

import psutil
import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.listeners import list_listening
from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.valkey import ValkeyServer
from tests.keyshop.embedded.database import run_sql, send_raw
from tests.keyshop.embedded.users import get_server, list_processes

_NAMES = ("shop [2026]", "a*?b", 'it\'s "mine"', "back\\slash $HOME", "--port 6379", "bücher,{x}")


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    return {
        (found.laddr.ip, found.laddr.port)
        for found in process.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
    }


class TestOddHomes:
    @pytest.mark.parametrize("name", _NAMES)
    def test_valkey_listens_on_its_port_alone_and_wants_the_password(self, home: Path, name):
        with ValkeyServer(home / name) as server:
            process = get_server(home, "valkey-server")

            assert listening(process) == {("127.0.0.1", server.port)}
            assert list_listening(process.pid) == listening(process)
            assert send_raw(server, "GET game") == "$-1"
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as stranger:
                stranger.sendall(b"GET game\r\n")
                assert stranger.recv(100).startswith(b"-NOAUTH")

    def test_postgres_listens_on_its_port_alone(self, home: Path):
        odd = home / 'shop [2026] *?, it\'s "mine" \\ bücher'

        with PostgresServer(odd) as server:
            assert listening(get_server(home, "postgres")) == {("127.0.0.1", server.port)}
            assert run_sql(server.socket_url, "SELECT 1") == 1
            assert server.socket.parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("server", [PostgresServer, ValkeyServer])
    @pytest.mark.parametrize("name", ["two\nlines", "tab\t", "not utf-8 \udcff"])
    def test_a_name_that_files_cannot_hold_is_refused(self, home: Path, server, name):
        with pytest.raises(EmbeddedServerError, match="choose another folder"):
            server(home / name).start()

        assert list_processes(home) == []

    def test_a_server_that_listens_elsewhere_is_stopped(self, home: Path):
        with pytest.raises(EmbeddedServerError, match=r"listens on 0\.0\.0\.0 port .* stopped"):
            PostgresServer(home, settings={"listen_addresses": "*"}).start()

        assert list_processes(home) == []
