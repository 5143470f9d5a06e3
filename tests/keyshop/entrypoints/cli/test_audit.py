"""`keyshop audit` fails while a rule is violated, and the shop's metrics say so."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from prometheus_client import CollectorRegistry

from keyshop.kit.database.pool import Database
from keyshop.kit.multiprocess_metrics import SharedFolderCollector
from tests.factories.sessions import add_user
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop

# Neither the wallet nor its triggers know of it.
_STEAL = """
    ALTER TABLE users DISABLE TRIGGER USER;
    UPDATE users SET balance = balance + {};
    ALTER TABLE users ENABLE TRIGGER USER;
"""


async def steal(db: Database, amount: int) -> None:
    async with db.transaction() as tx:
        await tx.raw.execute(_STEAL.format(amount))


def metric(home: Path) -> float | None:
    """Return what /metrics says about balances, which are known to all processes of the shop."""
    registry = CollectorRegistry()
    registry.register(SharedFolderCollector(home / "metrics"))
    return registry.get_sample_value("keyshop_violations", {"name": "balance_equation"})


class TestAudit:
    @pytest.fixture(autouse=True)
    def prepare(self, home: Path, database_url: str) -> None:
        self.home = home
        self.database_url = database_url

    def audit(self, *options: str) -> CompletedProcess[str]:
        return run_keyshop("audit", *options, home=self.home, DATABASE_URL=self.database_url)

    async def test_fails_and_names_what_violates_a_rule_until_it_is_repaired(self, db: Database):
        customer = await add_user(db)
        await steal(db, 5)

        found = self.audit()

        assert found.returncode == 1
        assert "balance_equat" in found.stdout
        assert customer.id in found.stdout
        lines = found.stderr.splitlines()
        assert lines[-1] == "keyshop: The audit found violations: balance_equation 1."
        assert [line for line in lines[:-1] if customer.id in line] == [lines[0]]
        assert metric(self.home) == 1

        document = json.loads((again := self.audit("--json")).stdout)
        assert again.returncode == 1
        assert document["counts"]["balance_equation"] == 1
        assert [found["subject_id"] for found in document["violations"]] == [customer.id]

        await steal(db, -5)
        repaired = self.audit()

        assert repaired.returncode == 0, repaired.stderr
        assert repaired.stdout == "Violations: none.\n"
        assert metric(self.home) == 0
