"""The SQL of the quarantine: entries of the supplier's list that were rejected."""

from collections.abc import Sequence
from datetime import datetime

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.sync.models import QuarantinedEntry
from keyshop.sync.rules import Rejection

_QUARANTINE = """
    INSERT INTO keyshop.sync_quarantine AS q
        (product_id, reason, run_id, page, first_seen_at, last_seen_at)
    SELECT DISTINCT ON (product_id, reason) product_id, reason, $1, page, $5, $5
    FROM unnest($2::text[], $3::text[], $4::integer[]) AS r (product_id, reason, page)
    ON CONFLICT (product_id, reason) DO UPDATE SET
        run_id = excluded.run_id, page = excluded.page, last_seen_at = excluded.last_seen_at
"""

# A product that was accepted now, or rejected for another reason, loses its earlier entries.
_RELEASE_PROCESSED = """
    DELETE FROM keyshop.sync_quarantine WHERE product_id = ANY($1::text[]) AND run_id <> $2
"""

# An entry that no run confirmed since a complete run began is valid again, or is no longer listed.
_RELEASE_UNSEEN = "DELETE FROM keyshop.sync_quarantine WHERE last_seen_at < $1::timestamp(3)"

_LIST_QUARANTINE = """
    SELECT product_id, reason, page, first_seen_at, last_seen_at FROM keyshop.sync_quarantine
    ORDER BY last_seen_at DESC, product_id, reason LIMIT $1
"""

_COUNT_QUARANTINED = "SELECT count(*) FROM keyshop.sync_quarantine"


async def quarantine(
    tx: Transaction,
    run_id: str,
    rejections: Sequence[Rejection],
    *,
    now: datetime,
) -> None:
    """Record rejected entries, or confirm entries that are recorded already."""
    if rejections:
        await tx.execute(
            _QUARANTINE,
            run_id,
            [entry.product_id for entry in rejections],
            [entry.reason for entry in rejections],
            [entry.page for entry in rejections],
            now,
        )


async def release_processed(tx: Transaction, run_id: str, product_ids: Sequence[str]) -> None:
    """Delete the entries of these products that earlier runs recorded."""
    await tx.execute(_RELEASE_PROCESSED, product_ids, run_id)


async def release_unseen(tx: Transaction, *, since: datetime) -> None:
    """Delete the entries that were last confirmed before the moment."""
    await tx.execute(_RELEASE_UNSEEN, since)


async def list_quarantine(reader: Reader, *, limit: int) -> list[QuarantinedEntry]:
    """List the entries in quarantine, newest first."""
    return rows(QuarantinedEntry, await reader.fetch(_LIST_QUARANTINE, limit))


async def count_quarantined(reader: Reader) -> int:
    return int(await reader.fetchval(_COUNT_QUARANTINED))
