"""Mark games so that a demonstration shop has something on every list of its home page."""

from datetime import datetime, timedelta

from keyshop.catalog import home_list_queries
from keyshop.kit.database.transaction import Transaction

_HOW_MANY = 30
_LAST_WEEK = timedelta(days=7)


async def fill_home_lists(tx: Transaction, *, now: datetime) -> None:
    """
    Mark some games as best sellers, preorders and new, where nobody marked any.

    New is what has no release date from the supplier, who therefore never takes it back.
    """
    if not await home_list_queries.count_best_sellers(tx):
        await home_list_queries.mark_best_sellers(tx, limit=_HOW_MANY, now=now)
    if not await home_list_queries.count_preorders(tx):
        await home_list_queries.mark_preorders(tx, limit=_HOW_MANY, now=now)
    if not await home_list_queries.count_released_since(tx, now - 2 * _LAST_WEEK):
        await home_list_queries.release_undated(tx, now - _LAST_WEEK, limit=_HOW_MANY, now=now)
