import os
import shutil
import signal
import socket
import subprocess

import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.ports import is_free
from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.valkey import ValkeyServer
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import get_server, kill, using, wait_until

_DROP = "DROP TABLE IF EXISTS sold"


def crash(server: PostgresServer) -> str:
    """Kill a PostgreSQL that is in use, and return the pid file that it leaves behind."""
    server.start()
    kill(get_server(server.folder.parent, "postgres"))
    left = (server.data / "postmaster.pid").read_text()
    server.release()
    return left


class TestKilledPostgres:
    def test_is_restarted_on_its_old_port_with_all_its_data(self, used_home):
        with using("postgres", used_home), PostgresServer(used_home) as server:
            url = server.url
            run_sql(url, _DROP, "CREATE TABLE sold AS SELECT 42 AS n", "SELECT 1")
            kill(get_server(used_home, "postgres"))

            server.ensure()

            assert server.url == url
            assert run_sql(url, "SELECT n FROM sold") == 42

    def test_waits_for_a_session_that_outlives_the_server(self, used_home):
        with PostgresServer(used_home) as server:
            run_sql(server.url, _DROP, "CREATE TABLE sold AS SELECT 42 AS n", "SELECT 1")
            sessions = get_server(used_home, "postgres").children()
            # Stopped, it cannot notice that its server is gone, and keeps the shared memory.
            survivor = next(
                child for child in sessions if "walwriter" in child.name() + str(child.cmdline())
            )
            survivor.suspend()
            kill(get_server(used_home, "postgres"))
            waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {survivor.pid}"])

            server.ensure()

            waker.wait()
            assert "pre-existing shared memory block" in server.log.read_text()
            assert run_sql(server.url, "SELECT n FROM sold") == 42


class TestLeftovers:
    def test_a_pid_file_that_names_another_process_or_none_is_harmless(self, used_home):
        server = PostgresServer(used_home)
        left = crash(server)
        owner = server.data.stat()
        # The pid was reused by a process of the account that PostgreSQL runs as.
        stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid)
        recycled = "\n".join([str(stranger.pid), *left.split("\n")[1:]])
        (server.data / "postmaster.pid").write_text(recycled)

        with server:
            assert run_sql(server.url, "SELECT 1") == 1

        assert stranger.poll() is None
        stranger.kill()
        stranger.wait()

        # A power cut may leave an empty file.
        (server.data / "postmaster.pid").write_text("")
        with server:
            assert run_sql(server.url, "SELECT 1") == 1

    def test_a_broken_port_file_is_replaced(self, home):
        with ValkeyServer(home) as server:
            pass
        (server.folder / "port").write_text("no port\n")

        with ValkeyServer(home) as server:
            assert server.is_alive()

    def test_a_hanging_server_does_not_keep_the_last_user_from_leaving(self, home):
        with ValkeyServer(home):
            process = get_server(home, "valkey-server")
            process.send_signal(signal.SIGSTOP)

        assert not process.is_running()


class TestTakenPort:
    def test_a_start_names_the_listener_and_says_nothing_to_it(self, home):
        with ValkeyServer(home) as server:
            taken = server.port
        with socket.create_server(("127.0.0.1", taken)) as stranger:
            named = f"Port {taken} .*taken by .*process {os.getpid()}.* delete .*port"
            with pytest.raises(EmbeddedServerError, match=named):
                ValkeyServer(home).start()

            stranger.setblocking(False)
            with pytest.raises(BlockingIOError):
                stranger.accept()

            (server.folder / "port").unlink()
            with ValkeyServer(home) as server:
                assert server.port != taken

    def test_a_restart_keeps_the_port_that_others_use(self, home):
        with ValkeyServer(home) as server:
            kill(get_server(home, "valkey-server"))
            wait_until(lambda: is_free(server.port))  # its threads may end a moment later
            with (
                socket.create_server(("127.0.0.1", server.port)),
                pytest.raises(EmbeddedServerError, match=f"Port {server.port} .*taken"),
            ):
                server.ensure()

            server.ensure()
            assert server.is_alive()


class TestCopiedHome:
    def test_does_not_use_the_server_of_the_original(self, home):
        original, copy = home / "original", home / "copy"
        with PostgresServer(original):
            pass
        shutil.copytree(original, copy)
        (copy / "postgres" / "port").unlink()
        if os.geteuid() == 0:
            shutil.chown(copy / "postgres" / "data", "root", "root")

        with PostgresServer(original) as first, PostgresServer(copy) as second:
            assert first.password == second.password
            assert first.port != second.port
            assert run_sql(second.url, "SHOW data_directory") == str(second.data)
