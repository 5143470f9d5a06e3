"""The SQL that fills the lists of the home page."""

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
_SET_MISSING_RELEASE_DATES = """
    UPDATE games SET "releaseDate" = $2, "updatedAt" = $3 WHERE id IN (
        SELECT id FROM games WHERE "inStock" AND NOT "isPreorder" AND "releaseDate" = $4
        ORDER BY "g2aProductId" LIMIT $1
    )
"""


async def count_best_sellers(tx: Transaction) -> int:
    return int(await tx.fetchval(_COUNT_BEST_SELLERS))


async def count_preorders(tx: Transaction) -> int:
    return int(await tx.fetchval(_COUNT_PREORDERS))


async def count_released_since(tx: Transaction, moment: datetime) -> int:
    """Count the games in stock that were released after the moment, or will be."""
    return int(await tx.fetchval(_COUNT_RELEASED_SINCE, moment))


async def mark_best_sellers(tx: Transaction, *, limit: int, now: datetime) -> None:
    await tx.execute(_MARK_BEST_SELLERS, limit, now)


async def mark_preorders(tx: Transaction, *, limit: int, now: datetime) -> None:
    await tx.execute(_MARK_PREORDERS, limit, now)


async def set_missing_release_dates(
    tx: Transaction, release_date: datetime, *, limit: int, now: datetime
) -> None:
    """Set the release date of games in stock that have none."""
    await tx.execute(_SET_MISSING_RELEASE_DATES, limit, release_date, now, UNKNOWN_RELEASE_DATE)
