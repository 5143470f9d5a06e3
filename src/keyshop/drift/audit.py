"""Audit money, orders and keys: find violations, and report them in the log and the metrics."""

from typing import Final

import structlog
from prometheus_client import Gauge

from keyshop.drift.find_violations import find_violations
from keyshop.drift.models import Findings
from keyshop.kit.database.pool import Database

# Of all processes, the newest audit counts: the next one may run in another worker.
_VIOLATIONS: Final = Gauge(
    "keyshop_violations",
    "Violations of the rules of money, orders and keys, found by the latest audit.",
    ("name",),
    multiprocess_mode="mostrecent",
)

_log = structlog.get_logger(__name__)


async def audit(db: Database) -> Findings:
    """Check every rule; set the metric, and write one log line, with the ids of what was found."""
    async with db.read() as reader:
        findings = await find_violations(reader)
    for rule, count in findings.counts.items():
        _VIOLATIONS.labels(rule).set(count)
    if findings.total:
        _log.error("audit.violations", violations=findings.total, ids=_list_ids(findings))
    else:
        _log.info("audit.clean")
    return findings


def _list_ids(findings: Findings) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for violation in findings.violations:
        ids.setdefault(violation.name, []).append(f"{violation.subject} {violation.subject_id}")
    return ids
