"""Every command beside the running shop: a table for people, one JSON document for programs."""

import asyncio
import json
import os
import re
from subprocess import CompletedProcess

import pytest

from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.valkey import ValkeyServer
from keyshop.kit.database.pool import Database
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, run_keyshop
from tests.keyshop.kit.test_jobs import put_dead_letter
from tests.servers import open_home

_PRODUCT = "10000000014001"  # the first one of the simulator

# A run of the suite may use a shop without a cache.
_CLEARED = (
    r"^The cache was cleared\. It stays closed until a worker with Redis runs"
    if os.environ.get("CACHE_MODE") == "off"
    else r"^The cache was cleared and is open again"
)

# What each command prints for people, and what its document holds.
_READING = {
    "db status": (r"^The database was made by keyshop\.\nRevision: \d{4}", {"state", "pending"}),
    "sync status": (r"^Latest full sync", {"runs", "errors", "quarantined"}),
    "sync runs": (r"^Runs", {"runs"}),
    "sync quarantine": (r"^Quarantine", {"quarantine"}),
    "audit": (r"^Violations: none\.", {"counts", "violations"}),
    "jobs list": (r"^Jobs", {"jobs"}),
    "jobs list --dead": (r"^Dead letters: none\.", {"jobs"}),
    "cache status": (r"^Cache\s", {"cache", "reads"}),
    "users show admin@example.com": (r"^Account admin@example\.com", {"id", "devices", "journal"}),
    "g2a ping": (r"^http://127\.0\.0\.1:\d+ answered in \d+ ms and lists \d+", {"url", "total"}),
    f"g2a product {_PRODUCT}": (rf"^Product {_PRODUCT}", {"id", "name", "qty"}),
    "g2a budget": (r"^100000 calls in 60 s", {"limit", "wait_seconds"}),
}
_CHANGING = {
    "db upgrade": (r"nothing was changed\.$", {"applied"}),
    "cache clear": (_CLEARED, {"cleared", "open"}),
    "sync full": (r"^Full sync ", {"id", "state", "products"}),
    "sync stock": (r"^Stock check ", {"id", "state", "updated"}),
}
_COMMANDS = _READING | _CHANGING
_TESTED = (
    *_COMMANDS, "jobs retry", "jobs forget",
    "db attach", "db detach",  # test_attach.py
    "users create", "users role", "users revoke", "users unlock", "users export",
    "users erase",  # test_users.py
    "orders list", "orders show", "orders refund", "orders cancel", "orders resend",  # test_orders.py
    "keys import", "keys adopt", "keys rotate", "keys list", "keys release", "keys revoke",
    "keys stats",  # test_keys.py
    "promo create", "promo list",  # test_promo.py
    "wallet top-up", "wallet debit", "wallet adopt", "wallet statement",  # test_wallet.py
)  # fmt: skip


def document_of(done: CompletedProcess[str]) -> object:
    """Return the one JSON document on standard output."""
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)


class TestCommand:
    @pytest.mark.parametrize("command", _COMMANDS)
    def test_prints_a_table_beside_the_running_shop(self, shop: ShopProcess, command):
        done = shop.run(*command.split())

        assert done.returncode == 0, done.stderr
        assert re.search(_COMMANDS[command][0], done.stdout.strip()), done.stdout

    @pytest.mark.parametrize("command", _COMMANDS)
    def test_prints_one_json_document_when_asked_to(self, shop: ShopProcess, command):
        done = shop.run(*command.split(), "--json", LOG_LEVEL="debug")

        assert done.returncode == 0, done.stderr
        document = document_of(done)
        assert isinstance(document, dict)
        assert document.keys() >= _COMMANDS[command][1]

    def test_logs_to_standard_error_alone(self, shop: ShopProcess):
        done = shop.run("sync", "stock", "--json")

        events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        assert {"sync.run_started", "sync.run_finished"} <= {line["event"] for line in events}

    def test_refuses_an_unknown_object_with_one_sentence(self, shop: ShopProcess):
        for command in (
            "jobs retry 999999",
            "g2a product 99999999999999",
            "users show no-such-user",
        ):
            refused = shop.run(*command.split())

            assert refused.returncode == 1
            assert re.fullmatch(r"keyshop: [^\n]+\.\n", refused.stderr.splitlines(True)[-1])
            assert "Traceback" not in refused.stderr
            assert refused.stdout == ""


class TestDeadJobs:
    async def test_are_requeued_or_deleted(self, home, db: Database, database_url):
        job_id, other_id = await put_dead_letter(db, "a game"), await put_dead_letter(db, "another")

        async def run(*words: str) -> CompletedProcess[str]:
            return await asyncio.to_thread(
                run_keyshop, *words, home=home, DATABASE_URL=database_url
            )

        assert f" {job_id} " in (await run("jobs", "list", "--dead")).stdout

        done = await run("jobs", "retry", str(job_id), "--json")
        dropped = await run("jobs", "forget", str(other_id), "--json")

        assert document_of(done) == {"retried": job_id}
        assert document_of(dropped) == {"forgotten": [other_id]}
        assert document_of(await run("jobs", "list", "--dead", "--json")) == {"jobs": []}


class TestWithoutTheShop:
    def test_starts_the_database_while_it_runs(self):
        with open_home() as folder:
            home = folder / "home"

            # An empty home: the database is created, checked and stopped.
            upgraded = document_of(run_keyshop("db", "upgrade", "--json", home=home))
            status = document_of(run_keyshop("db", "status", "--json", home=home))

            assert isinstance(upgraded, dict)
            assert isinstance(status, dict)
            assert upgraded["applied"]
            assert status["state"] == "ours"
            assert not status["pending"]
            assert not PostgresServer(home).is_alive()
            assert not ValkeyServer(home).is_alive()
            assert ShopProcess(home).list_processes() == []


class TestDatabaseThatWasNotUpgraded:
    @pytest.mark.parametrize(
        "command", ["cache status", "cache clear", "sync status", "jobs list", "audit"]
    )
    def test_is_refused_with_the_command_to_run(self, command):
        with open_home() as folder:
            done = run_keyshop(*command.split(), home=folder / "home")

        assert done.returncode == 1
        assert done.stderr.strip().endswith("run `keyshop db upgrade` first.")
        assert "Traceback" not in done.stderr


class TestHelp:
    def test_lists_exactly_the_groups_that_work(self, tmp_path):
        text = run_keyshop("--help", home=tmp_path).stdout

        assert _listed(text) == {
            "up", "api", "worker", "db", "sync", "users", "orders", "keys", "promo",
            "wallet", "cache", "audit", "jobs", "g2a",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "group",
        ["db", "sync", "users", "orders", "keys", "promo", "wallet", "cache", "jobs", "g2a"],
    )
    def test_lists_the_commands_of_a_group_each_of_which_works(self, tmp_path, group):
        text = run_keyshop(group, "--help", home=tmp_path).stdout

        tested = {name.split()[1] for name in _TESTED if name.startswith(group)}
        assert _listed(text) == tested
        # Help creates no folder.
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("command", ["up", "api", "worker", "sync full", "jobs retry", "audit"])
    def test_describes_each_command_in_a_sentence(self, tmp_path, command):
        done = run_keyshop(*command.split(), "--help", home=tmp_path)

        assert done.returncode == 0
        assert re.search(r"Usage: .*keyshop .+\n\s*\n [A-Z][^\n]+", done.stdout)
        assert "--exit-with" not in done.stdout


def _listed(text: str) -> set[str]:
    """Return the names in the box of commands."""
    _, _, box = text.partition("Commands")
    return set(re.findall(r"^│ ([\w-]+) ", box, re.MULTILINE))
