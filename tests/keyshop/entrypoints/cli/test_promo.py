"""`keyshop promo ...`: promo codes from the command line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.kit.database.pool import Database
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop

# Each command is a process of its own.
pytestmark = pytest.mark.slow

Run = Callable[..., Awaitable[CompletedProcess[str]]]


@pytest.fixture
def run(home: Path, database_url: str) -> Run:
    """Run a command of `keyshop promo` on this test's own database."""

    async def promo(*words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(
            run_keyshop, "promo", *words, home=home, DATABASE_URL=database_url, CACHE_MODE="off"
        )

    return promo


class TestPromo:
    async def test_is_created_listed_and_recorded_with_its_operator(self, db: Database, run: Run):
        created = await run(
            "create", "summer", "--percent", "12.5", "--from", "2026-07-01", "--until", "2026-08-31",
            "--max-uses", "100", "--json",
        )  # fmt: skip
        again = await run("create", "Summer", "--percent", "1", "--until", "2099-01-01")
        table, document = await run("list"), await run("list", "--json")

        assert json.loads(created.stdout) == {
            "code": "SUMMER", "percent": 12.5, "max_uses": 100,
            "valid_from": "2026-07-01T00:00:00Z", "valid_until": "2026-08-31T23:59:59.999000Z",
        }  # fmt: skip
        assert again.returncode == 1
        assert again.stderr.splitlines()[-1].startswith(
            "keyshop: There is a promo code SUMMER already"
        )
        assert "SUMMER" in table.stdout
        (promo,) = json.loads(document.stdout)["promos"]
        assert (promo["code"], promo["used_count"], promo["active"]) == ("SUMMER", 0, True)
        async with db.read() as reader:
            entries = await reader.fetch("SELECT actor, action, subject_id FROM keyshop.journal")
        assert [tuple(entry) for entry in entries] == [(get_os_user(), "promo.create", promo["id"])]

    async def test_warns_where_a_code_takes_more_than_the_shop_adds(self, run: Run):
        dear = await run("create", "DEAR", "--percent", "3", "--until", "2099-01-01")
        cheap = await run(
            "create", "CHEAP", "--percent", "2", "--until", "2099-01-01T12:00:00+02:00"
        )

        assert "Created DEAR: 3 % off, until 2099-01-01 23:59:59 UTC." in dear.stdout
        assert "The shop adds 2 %" in dear.stderr
        assert "until 2099-01-01 10:00:00 UTC." in cheap.stdout
        assert "The shop adds" not in cheap.stderr

    async def test_of_impossible_figures_is_refused(self, home: Path, run: Run):
        for percent, end in (("ten", "2099-01-01"), ("10", "tomorrow")):
            misspelt = await run("create", "NO", "--percent", percent, "--until", end)
            assert misspelt.returncode == 2
        refused = await run("create", "NO", "--percent", "101", "--until", "2099-01-01")

        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith("keyshop: The discount must be above 0")
