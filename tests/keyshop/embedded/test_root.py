import os
import shutil
import stat
import subprocess

import pytest

from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.run_as import choose_account
from keyshop.embedded.valkey import ValkeyServer
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import get_server, list_processes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to find another account")


def has_namespaces() -> bool:
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "true"]
    return (
        shutil.which("unshare") is not None and subprocess.run(command, check=False).returncode == 0
    )


@pytest.fixture
def closed(home):
    """A folder that only root may enter, like root's own home."""
    home.mkdir(mode=0o711)
    folder = home / "closed"
    folder.mkdir(mode=0o700)
    return folder


class TestRoot:
    def test_an_unprivileged_account_runs_it_if_it_can_reach_the_data(self, home):
        with PostgresServer(home) as server:
            process = get_server(home, "postgres")

            assert process.uids().real != 0
            assert server.data.stat().st_uid == process.uids().real

    def test_no_server_has_the_secrets_of_the_shop_in_its_environment(self, home, monkeypatch):
        monkeypatch.setenv("JWT_SECRET", "s" * 40)
        monkeypatch.setenv("SMTP_URL", "smtp://user:password@localhost")

        with PostgresServer(home), ValkeyServer(home):
            for process in list_processes(home):
                assert not {"JWT_SECRET", "SMTP_URL"} & process.environ().keys()
            for name in ("postgres", "valkey-server"):
                assert get_server(home, name).uids().real != 0

    def test_the_account_that_owns_the_data_keeps_it(self, home):
        with PostgresServer(home) as server:
            pass
        subprocess.run(["chown", "-R", "4242:4242", server.data], check=True)

        with PostgresServer(home) as server:
            assert get_server(home, "postgres").uids().real == 4242
            assert server.data.stat().st_uid == 4242

    @pytest.mark.skipif(not has_namespaces(), reason="this machine allows no user namespaces")
    def test_a_user_namespace_runs_it_below_a_closed_folder(self, closed):
        with PostgresServer(closed / "home") as server:
            run_sql(server.url, "CREATE TABLE sold AS SELECT 42 AS n", "SELECT 1")

        with PostgresServer(closed / "home") as server:
            assert run_sql(server.url, "SELECT n FROM sold") == 42
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700

    @pytest.mark.skipif(not has_namespaces(), reason="this machine allows no user namespaces")
    def test_keeps_its_data_when_a_parent_folder_was_closed(self, closed):
        closed.chmod(0o711)
        with PostgresServer(closed / "home") as server:
            run_sql(server.url, "CREATE TABLE sold AS SELECT 42 AS n", "SELECT 1")
        closed.chmod(0o700)

        with PostgresServer(closed / "home") as server:
            assert run_sql(server.url, "SELECT n FROM sold") == 42

    def test_names_a_folder_to_choose_when_nothing_works(self, home, tmp_path):
        unusable = tmp_path / "postgres"

        with pytest.raises(EmbeddedServerError, match="set KEYSHOP_HOME to a folder"):
            choose_account(data=home / "data", program=unusable)
