"""The SQL of the products that a run has seen, and of the games missing from the supplier's list."""

from collections.abc import Sequence

from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.sync.models import Run

_RECORD_SEEN = "INSERT INTO keyshop.sync_seen_products (run_id, product_ids) VALUES ($1, $2)"

_COUNT_SEEN = """
    SELECT count(DISTINCT id) FROM (
        SELECT unnest(product_ids) AS id FROM keyshop.sync_seen_products WHERE run_id = $1
    ) AS seen
"""

_COUNT_UNSEEN = """
    SELECT count(*) FROM games AS g
    WHERE g."g2aProductId" IS NOT NULL AND NOT EXISTS (
        SELECT FROM (
            SELECT unnest(product_ids) AS id FROM keyshop.sync_seen_products WHERE run_id = $1
        ) AS seen
        WHERE seen.id = g."g2aProductId"
    )
"""

# An entry without an id is recorded as page/index. It may be any of the games that were not seen.
_MARK_MISSING = """
    WITH seen AS MATERIALIZED (
        SELECT unnest(product_ids) AS id FROM keyshop.sync_seen_products WHERE run_id = $1
    )
    INSERT INTO keyshop.sync_missing_products (product_id, since)
    SELECT DISTINCT g."g2aProductId", $2::timestamp(3) FROM games AS g
    WHERE g."g2aProductId" IS NOT NULL
        AND NOT EXISTS (SELECT FROM seen WHERE seen.id = g."g2aProductId")
        AND NOT EXISTS (SELECT FROM seen WHERE seen.id LIKE '%/%')
    ON CONFLICT DO NOTHING
"""

_UNMARK_MISSING = """
    DELETE FROM keyshop.sync_missing_products AS m
    WHERE m.product_id IN (
        SELECT unnest(product_ids) FROM keyshop.sync_seen_products WHERE run_id = $1
    ) OR NOT EXISTS (SELECT FROM games AS g WHERE g."g2aProductId" = m.product_id)
"""

_DELETE_EARLIER_SEEN = """
    DELETE FROM keyshop.sync_seen_products AS s USING keyshop.sync_runs AS r
    WHERE r.id = s.run_id AND r.kind = $1 AND r.id <> $2
"""


async def record_seen(tx: Transaction, run_id: str, product_ids: Sequence[str]) -> None:
    """Record which products a batch contained, rejected ones included."""
    await tx.execute(_RECORD_SEEN, run_id, product_ids)


async def count_answered(reader: Reader, run_id: str) -> int:
    """Count the distinct products that the run has seen, rejected ones included."""
    return int(await reader.fetchval(_COUNT_SEEN, run_id))


async def count_unseen(reader: Reader, run_id: str) -> int:
    """Count the supplier's games in the shop that the run did not see."""
    return int(await reader.fetchval(_COUNT_UNSEEN, run_id))


async def record_missing(tx: Transaction, run: Run) -> None:
    """Record since when each of the shop's games is missing from the supplier's list."""
    await tx.execute(_UNMARK_MISSING, run.id)
    await tx.execute(_MARK_MISSING, run.id, run.finished_at)


async def delete_earlier_seen(tx: Transaction, run: Run) -> None:
    """Delete what earlier runs of the same kind have seen."""
    await tx.execute(_DELETE_EARLIER_SEEN, run.kind, run.id)
