"""The SQL of filling the lists of the home page."""

from datetime import datetime

from keyshop.catalog.rules import UNKNOWN_RELEASE_DATE
from keyshop.kit.database.transaction import Transaction

_COUNT_BEST_SELLERS = 'SELECT count(*) FROM games WHERE "isBestSeller"'
_COUNT_PREORDERS = 'SELECT count(*) FROM games WHERE "isPreorder"'
_COUNT_RELEASED_SINCE = """
    SELECT count(*) FROM games WHERE "releaseDate" >= $1 AND "inStock" AND NOT "isPreorder"
"""

_MARK_BEST_SELLERS = """
    UPDATE games SET "isBestSeller" = true, "updatedAt" = $2 WHERE id IN (
        SELECT id FROM games WHERE "inStock" ORDER BY "g2aProductId" LIMIT $1
    )
"""
_MARK_PREORDERS = """
    UPDATE games SET "isPreorder" = true, "updatedAt" = $2 WHERE id IN (
        SELECT id FROM games WHERE "inStock" AND NOT "isBestSeller"
        ORDER BY "g2aProductId" DESC LIMIT $1
    )
"""
_RELEASE_UNDATED = """
    UPDATE games SET "releaseDate" = $2, "updatedAt" = $3 WHERE id IN (
        SELECT id FROM games WHERE "inStock" AND NOT "isPreorder" AND "releaseDate" = $4
        ORDER BY "g2aProductId" LIMIT $1
    )
"""


async def count_best_sellers(tx: Transaction) -> int:
    """Count the games marked as best sellers."""
    return int(await tx.fetchval(_COUNT_BEST_SELLERS))


async def count_preorders(tx: Transaction) -> int:
    """Count the games marked as preorders."""
    return int(await tx.fetchval(_COUNT_PREORDERS))


async def count_released_since(tx: Transaction, moment: datetime) -> int:
    """Count the games in stock that were released since, or will be."""
    return int(await tx.fetchval(_COUNT_RELEASED_SINCE, moment))


async def mark_best_sellers(tx: Transaction, *, limit: int, now: datetime) -> None:
    """Mark some games in stock as best sellers."""
    await tx.execute(_MARK_BEST_SELLERS, limit, now)


async def mark_preorders(tx: Transaction, *, limit: int, now: datetime) -> None:
    """Mark some games in stock as preorders."""
    await tx.execute(_MARK_PREORDERS, limit, now)


async def release_undated(
    tx: Transaction, released: datetime, *, limit: int, now: datetime
) -> None:
    """Give some games in stock that have no release date this one."""
    await tx.execute(_RELEASE_UNDATED, limit, released, now, UNKNOWN_RELEASE_DATE)
