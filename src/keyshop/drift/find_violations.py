"""Find what contradicts the rules of money, orders and keys."""

from typing import Final

from keyshop.drift import queries
from keyshop.drift.models import RULES, Findings, Violation
from keyshop.kit.database.transaction import Reader

# A broken trigger may violate a rule a million times; the first ones show what is wrong.
_MAX_LISTED: Final = 100  # of each rule


async def find_violations(reader: Reader) -> Findings:
    """Check every rule at one moment; list the first 100 violations of each."""
    found = await queries.list_violations(reader, limit=_MAX_LISTED)
    return Findings(
        counts=dict.fromkeys(RULES, 0) | {row["name"]: row["total"] for row in found},
        violations=[
            Violation(
                name=row["name"],
                subject=row["subject"],
                subject_id=row["subject_id"],
                detail=row["detail"],
            )
            for row in found
        ],
    )
