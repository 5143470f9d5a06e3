"""Mark games so that a demonstration shop has something on every list of its home page."""

from datetime import datetime, timedelta

from keyshop.catalog import demo_home_list_queries
from keyshop.kit.database.transaction import Transaction

_LIST_SIZE = 30
_WEEK = timedelta(days=7)


async def fill_home_lists(tx: Transaction, *, now: datetime) -> None:
    """
    Mark some games as best sellers, preorders and new games, for each list that is empty.

    A release date is set only where the supplier gave none, so a sync never overwrites it.
    """
    if not await demo_home_list_queries.count_best_sellers(tx):
        await demo_home_list_queries.mark_best_sellers(tx, limit=_LIST_SIZE, now=now)
    if not await demo_home_list_queries.count_preorders(tx):
        await demo_home_list_queries.mark_preorders(tx, limit=_LIST_SIZE, now=now)
    if not await demo_home_list_queries.count_released_since(tx, now - 2 * _WEEK):
        await demo_home_list_queries.set_missing_release_dates(
            tx, now - _WEEK, limit=_LIST_SIZE, now=now
        )
