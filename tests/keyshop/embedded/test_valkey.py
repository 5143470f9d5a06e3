import socket

from keyshop.embedded.valkey import ValkeyServer
from tests.keyshop.embedded.database import send_raw
from tests.keyshop.embedded.users import get_server, kill, list_processes


class TestValkeyServer:
    def test_serves_a_bounded_cache_that_writes_nothing_to_disk(self, home):
        with ValkeyServer(home) as server:
            send_raw(server, "SET game 7")
            settings = send_raw(
                server, "CONFIG GET maxmemory maxmemory-policy save appendonly bind"
            )
            game = send_raw(server, "GET game")

        assert game == "$1\n7"
        assert str(256 * 1024 * 1024) in settings
        assert "volatile-lfu" in settings
        assert "127.0.0.1" in settings
        assert list(server.folder.glob("*.rdb")) == []
        assert list_processes(home) == []

    def test_refuses_a_client_without_the_password(self, home):
        with (
            ValkeyServer(home) as server,
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as stranger,
        ):
            stranger.sendall(b"GET game\r\n")

            assert stranger.recv(100).startswith(b"-NOAUTH")

    def test_hides_its_password_from_other_accounts(self, home):
        with ValkeyServer(home) as server:
            command_lines = [" ".join(process.cmdline()) for process in list_processes(home)]

            assert not any(server.password in line for line in command_lines)
            assert {path.stat().st_mode & 0o777 for path in server.folder.iterdir()} == {
                0o600,  # files
                0o700,  # the folder of the socket
            }

    def test_is_restarted_on_its_old_port_after_a_kill(self, home):
        with ValkeyServer(home) as server, ValkeyServer(home) as other:
            url = server.url
            kill(get_server(home, "valkey-server"))

            other.ensure()

            assert other.url == url
            assert server.is_alive()

    def test_two_homes_have_two_servers(self, home):
        with ValkeyServer(home / "one") as one, ValkeyServer(home / "two and more") as two:
            send_raw(one, "SET game 7")

            assert one.port != two.port
            assert send_raw(two, "GET game") == "$-1"
