"""`keyshop up` starts the whole shop."""

import re
import socket

import pytest

from keyshop.embedded.ports import pick_free
from keyshop.embedded.postgres import PostgresServer
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import wait_until
from tests.keyshop.entrypoints.cli.shop_process import fetch, run_keyshop, running
from tests.servers import connected

_HOME_LISTS = ("best-sellers", "new", "new-in-catalog", "preorders", "collections", "random")


# This proxy is unreachable; the shop must not use it.
_PROXY = {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "NO_PROXY": "",
          "no_proxy": ""}  # fmt: skip


class TestUp:
    def test_serves_games_that_came_from_the_supplier_with_their_prices(self, shop):
        games = shop.get_json("/api/games?pageSize=36")["data"]["data"]

        assert len(games) == 36
        assert all(game["price"] > 0 for game in games)

    @pytest.mark.parametrize("name", _HOME_LISTS)
    def test_leaves_no_list_of_the_home_page_empty(self, shop, name):
        assert shop.get_json(f"/api/games/{name}")["data"]

    def test_prints_the_addresses(self, shop):
        printed = shop.log.read_text()

        for line in (shop.url, f"{shop.url}/docs", f"{shop.url}/health", shop.simulator):
            assert line in printed
        assert str(shop.home) in printed
        assert str(shop.home / "mail") in printed

    def test_prints_the_demo_accounts_and_they_work(self, shop):
        printed = shop.log.read_text()
        (password,) = re.findall(r"\(password (\S+)\):", printed)

        for email in ("alice@example.com", "admin@example.com"):
            assert f"\n  {email} " in printed
            status, _ = fetch(
                f"{shop.url}/api/auth/login",
                method="POST",
                body={"email": email, "password": password},
            )
            assert status == 200

    def test_names_the_roles_in_their_command_lines(self, shop):
        assert shop.get_process("keyshop", "api")
        assert shop.get_process("keyshop", "worker")

    def test_keeps_its_home_to_itself(self, shop):
        assert shop.home.stat().st_mode & 0o077 in {0, 0o011}
        assert (shop.home / "metrics").stat().st_mode & 0o077 == 0

    def test_every_link_of_the_start_page_leads_somewhere(self, shop):
        page = fetch(shop.url)[1].decode()

        links = [part.partition('"')[0] for part in page.split('<a href="')[1:]]
        assert len(links) > 5
        for link in links:
            status, _ = fetch(link if "://" in link else shop.url + link.replace("&amp;", "&"))
            assert status == 200, link


class TestRefusals:
    def test_a_second_start_on_the_same_home(self, shop):
        second = shop.run("up", KEYSHOP_PORT=pick_free(), SIMULATOR_PORT=pick_free())

        assert second.returncode == 1
        assert "keyshop is up already" in second.stderr
        assert "KEYSHOP_HOME" in second.stderr
        wait_until(shop.is_healthy)

    @pytest.mark.parametrize("variable", ["KEYSHOP_PORT", "SIMULATOR_PORT"])
    def test_a_port_that_is_taken_is_named_with_its_variable(self, home, variable):
        ports = {"KEYSHOP_PORT": pick_free(), "SIMULATOR_PORT": pick_free()}
        with socket.create_server(("127.0.0.1", ports[variable])):
            refused = run_keyshop("up", home=home, **ports)

        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert f"Port {ports[variable]} is taken" in refused.stderr
        assert variable in refused.stderr

    def test_production_without_its_variables(self, home):
        refused = run_keyshop("up", home=home, KEYSHOP_ENV="production")

        assert refused.returncode == 1
        assert refused.stderr.startswith("keyshop: In production, DATABASE_URL, G2A_API_URL")
        assert refused.stderr.count("\n") == 1
        assert not home.exists()

    @pytest.mark.parametrize("command", [["up"], ["db", "upgrade"]])
    async def test_a_database_with_tables_that_keyshop_did_not_make(
        self, home, command, database_url
    ):
        async with connected(database_url) as connection:
            await connection.execute("DROP SCHEMA keyshop CASCADE")
            tables = await connection.fetch(_TABLES)

        refused = run_keyshop(
            *command, home=home, DATABASE_URL=database_url, CACHE_MODE="off",
            KEYSHOP_PORT=pick_free(), SIMULATOR_PORT=pick_free(),
        )  # fmt: skip

        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith("keyshop: ")
        assert "keyshop db attach --check" in refused.stderr
        assert "Traceback" not in refused.stderr
        async with connected(database_url) as connection:
            assert await connection.fetch(_TABLES) == tables

    @pytest.mark.parametrize(
        "words", [["nonsense"], ["up", "--nonsense"], ["sync", "nonsense"], ["jobs", "retry", "x"]]
    )
    def test_wrong_usage_has_a_status_of_its_own(self, home, words):
        assert run_keyshop(*words, home=home).returncode == 2


class TestSideBySide:
    def test_a_second_shop_with_a_home_and_ports_of_its_own(self, shop, home):
        with running(
            home, "up", "--no-seed", SIMULATOR_PRODUCTS=40, CACHE_MODE="off", **_PROXY
        ) as second:
            # Each has its own catalogue.
            assert shop.get_json("/api/games?pageSize=1")["data"]["total"] == 100
            assert second.get_json("/api/games?pageSize=1")["data"]["total"] == 40

            # Without demo data, no game is marked.
            marked = 'SELECT count(*) FROM games WHERE "isBestSeller" OR "isPreorder"'
            assert run_sql(PostgresServer(home).url, marked) == 0
            assert run_sql(PostgresServer(home).url, "SELECT count(*) FROM users") == 0
            assert "Accounts to try it with" not in second.log.read_text()
        wait_until(shop.is_healthy)


_TABLES = """
    SELECT schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
    ORDER BY 1, 2
"""
