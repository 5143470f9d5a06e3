"""`keyshop audit`: check the rules of money, orders and keys."""

import asyncio

import typer

from keyshop.drift.audit import audit as audit_shop
from keyshop.drift.models import Findings
from keyshop.entrypoints.cli.output import AsJson, print_json, print_table
from keyshop.entrypoints.cli.session import database
from keyshop.kit.errors import Conflict

app = typer.Typer()


class ViolationsFound(Conflict):
    """The shop's data contradict its rules."""

    def __init__(self, findings: Findings) -> None:
        violated = [f"{rule} {count}" for rule, count in findings.counts.items() if count]
        super().__init__(f"The audit found violations: {', '.join(violated)}.")


@app.callback(invoke_without_command=True)
def audit(as_json: AsJson = False) -> None:
    """Check the rules of money, orders and keys; exit with 1 if one is violated."""
    findings = asyncio.run(_audit())
    if as_json:
        print_json({"counts": findings.counts, "violations": findings.violations})
    else:
        print_table(
            "Violations",
            ("id", "of", "rule", "detail"),
            [(v.subject_id, v.subject, v.name, v.detail) for v in findings.violations],
        )
    if findings.total:
        raise ViolationsFound(findings)


async def _audit() -> Findings:
    async with database() as db:
        return await audit_shop(db)
