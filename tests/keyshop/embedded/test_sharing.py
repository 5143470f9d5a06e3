import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.valkey import ValkeyServer
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import (
    UserProcess,
    get_guardian,
    get_server,
    kill,
    list_processes,
    using,
    wait_until,
)

_DROP = "DROP TABLE IF EXISTS sold"

# A killed user cannot stop its server; the guardian does, at once, but a test machine may be busy.
_SOON = 5.0


class TestSharing:
    def test_two_processes_that_start_at_once_share_one_server(self, home):
        first, second = UserProcess("postgres", home), UserProcess("postgres", home)
        first.wait_until_ready()
        second.wait_until_ready()

        server = get_server(home, "postgres")
        first.leave()

        assert get_server(home, "postgres") == server
        second.leave()
        assert list_processes(home) == []

    def test_a_leaving_process_does_not_wait_for_the_others(self, home):
        with using("valkey", home):
            server = ValkeyServer(home)
            server.start()
            server.release()

            assert server.is_alive()

    def test_a_server_that_stops_is_restarted_for_a_new_user(self, home):
        with ValkeyServer(home):
            pass
        for _ in range(5):
            leaving, coming = UserProcess("valkey", home), UserProcess("valkey", home)
            leaving.wait_until_ready()
            leaving.process.kill()
            coming.wait_until_ready()

            assert ValkeyServer(home).is_alive()
            leaving.leave()
            coming.leave()

    def test_two_objects_in_one_process_share_as_well(self, home):
        with ValkeyServer(home) as one:
            with ValkeyServer(home) as two:
                assert two.url == one.url

            assert one.is_alive()

    def test_refuses_to_restart_a_server_that_was_not_started(self, home):
        with pytest.raises(EmbeddedServerError, match="was not started"):
            ValkeyServer(home).ensure()


class TestKilledUser:
    def test_leaves_no_server_and_the_next_start_finds_the_data(self, used_home):
        with using("postgres", used_home) as user:
            run_sql(
                PostgresServer(used_home).url,
                _DROP,
                "CREATE TABLE sold AS SELECT 42 AS n",
                "SELECT 1",
            )

            user.kill()

            wait_until(lambda: list_processes(used_home) == [], seconds=_SOON)
        with PostgresServer(used_home) as server:
            assert run_sql(server.url, "SELECT n FROM sold") == 42

    def test_does_no_harm_during_the_first_start(self, home):
        interrupted = UserProcess("postgres", home)
        wait_until(lambda: list((home / "postgres").glob("data.new-*")) != [])
        interrupted.kill()

        with PostgresServer(home) as server:
            assert run_sql(server.url, "SELECT 1") == 1
        wait_until(lambda: list_processes(home) == [], seconds=_SOON)

    def test_another_user_keeps_the_server(self, home):
        with ValkeyServer(home) as server:
            with using("valkey", home) as user:
                user.kill()

            assert server.is_alive()
            assert get_guardian(home).is_running()


class TestKilledGuardian:
    def test_is_replaced(self, home):
        with using("valkey", home) as user:
            kill(get_guardian(home))
            with ValkeyServer(home) as server:
                server.ensure()
                assert get_guardian(home).is_running()

            user.kill()

            wait_until(lambda: list_processes(home) == [], seconds=_SOON)

    def test_an_abandoned_server_is_taken_over_by_the_next_user(self, used_home):
        with using("postgres", used_home) as user:
            left_alone = get_server(used_home, "postgres")
            kill(get_guardian(used_home))
            user.kill()

        with PostgresServer(used_home) as server:
            assert get_server(used_home, "postgres") == left_alone
            assert server.is_alive()

        assert list_processes(used_home) == []
