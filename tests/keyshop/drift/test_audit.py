"""An audit finds what contradicts the rules, and reports it in the log and the metrics."""

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from keyshop.drift.audit import audit
from keyshop.drift.find_violations import find_violations
from keyshop.drift.models import RULES, Violation
from keyshop.entrypoints.worker.audit import AuditDue, on_audit_due
from keyshop.kit.database.pool import Database
from tests.factories.games import NOON
from tests.factories.jobs import ProbeShop
from tests.factories.sessions import add_user

_RULES = """
    SELECT substr(proname, 6) FROM pg_proc
    WHERE pronamespace = 'keyshop'::regnamespace AND proname LIKE 'find\\_%'
"""
# A program that is no wallet gives itself credit.
_GIVE_CREDIT = "UPDATE users SET balance = balance + 5 WHERE id = $1"
_COMPLETE_PAYMENTS = """
    INSERT INTO keyshop.top_up_intents (id, user_id, amount, currency, method, state, provider,
        transaction_id, created_at, updated_at, expires_at)
    SELECT concat('intent ', n), $1, n, 'EUR', 'CARD', 'completed', 'demo', n, now(), now(), now()
    FROM generate_series(1, 250) AS n
"""


async def change(db: Database, statement: str, user_id: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(statement, user_id)


def metric(rule: str) -> float | None:
    return REGISTRY.get_sample_value("keyshop_violations", {"name": rule})


class TestFindViolations:
    async def test_finds_none_in_a_new_shop(self, db: Database) -> None:
        async with db.read() as reader:
            findings = await find_violations(reader)

        assert findings.counts == dict.fromkeys(RULES, 0)
        assert findings.violations == []

    async def test_names_the_rule_and_the_customer(self, db: Database) -> None:
        customer = await add_user(db)
        await change(db, _GIVE_CREDIT, customer.id)

        async with db.read() as reader:
            findings = await find_violations(reader)

        assert findings.violations == [
            Violation(
                name="unexplained_change",
                subject="user",
                subject_id=customer.id,
                detail="Other programs changed the balance by 5.00 and the ledger by 0.",
            )
        ]

    async def test_counts_all_and_lists_a_hundred_of_a_rule(self, db: Database) -> None:
        customer = await add_user(db)
        await change(db, _COMPLETE_PAYMENTS, customer.id)

        async with db.read() as reader:
            findings = await find_violations(reader)

        assert findings.counts["paid_without_credit"] == findings.total == 250
        assert len(findings.violations) == 100

    async def test_knows_every_rule_of_the_database(self, db: Database) -> None:
        async with db.read() as reader:
            names = [name for (name,) in await reader.fetch(_RULES)]

        assert sorted(RULES) == sorted(names)


class TestAudit:
    async def test_reports_ids_in_one_log_line_and_counts_in_the_metrics(
        self, db: Database, database_url: str
    ) -> None:
        customer = await add_user(db)
        await change(db, _GIVE_CREDIT, customer.id)
        await change(db, _COMPLETE_PAYMENTS, customer.id)

        with capture_logs() as logs:
            await on_audit_due(ProbeShop(db, database_url), AuditDue(due_at=NOON))

        (line,) = logs
        assert (line["event"], line["log_level"]) == ("audit.violations", "error")
        assert line["violations"] == 251
        assert line["ids"]["unexplained_change"] == [f"user {customer.id}"]
        assert metric("unexplained_change") == 1
        assert metric("paid_without_credit") == 250
        assert metric("balance_equation") == 0

    async def test_sets_the_metric_back_once_a_violation_is_gone(self, db: Database) -> None:
        customer = await add_user(db)
        await change(db, _GIVE_CREDIT, customer.id)
        await audit(db)
        await change(db, "DELETE FROM users WHERE id = $1", customer.id)

        with capture_logs() as logs:
            await audit(db)

        assert [line["event"] for line in logs] == ["audit.clean"]
        assert metric("unexplained_change") == 0
