"""`keyshop wallet ...`: operators' commands for customers' money."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from keyshop.kit.database.pool import Database
from tests.factories.wallet import balance_of, make_customer, set_balance
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop

# Each command is a process of its own.
pytestmark = pytest.mark.slow

Run = Callable[..., Awaitable[CompletedProcess[str]]]


@pytest.fixture
def run(home: Path, database_url: str) -> Run:
    """Run a command of `keyshop wallet` on this test's own database."""

    async def wallet(*words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(
            run_keyshop, "wallet", *words, home=home, DATABASE_URL=database_url, CACHE_MODE="off"
        )

    return wallet


class TestWallet:
    async def test_is_corrected_and_explained_by_commands(self, db: Database, run: Run):
        customer = await make_customer(db, "10.00", "alice")
        await set_balance(db, customer, "20.00")

        given = await run("top-up", "Alice@Example.com", "5.50", "--reason", "Sorry")
        taken = await run("debit", "alice", "0.50", "--reason", "Too much", "--json")
        adopted = await run("adopt", "alice", "--reason", "Sold at the counter")
        table = await run("statement", "alice")

        assert given.returncode == 0, given.stderr
        assert "+5.50 EUR, balance 25.50 EUR" in given.stdout
        assert json.loads(taken.stdout)["balance"] == 25
        assert "+10.00 EUR of the balance" in adopted.stdout
        assert "other program: balance" in table.stdout
        assert "Sold at the counter" in table.stdout
        assert re.search(r"sum of the lines\W+25\.00", table.stdout)

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("debit", "alice", "10.01", "--reason", "Too much"), "Insufficient balance"),
            (("top-up", "alice", "1.50", "--reason", " "), "A reason is one line"),
        ],
        ids=str,
    )
    async def test_is_changed_by_no_wrong_command(self, db: Database, run: Run, words, sentence):
        customer = await make_customer(db, "10.00", "alice")

        refused = await run(*words)

        assert refused.returncode == 1
        assert sentence in refused.stderr
        assert await balance_of(db, customer) == Decimal("10.00")
