"""The statistics page of a customer."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Statistics
from keyshop.accounts.queries import CustomerSummary
from keyshop.accounts.rules import days_since
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data


async def show_statistics(db: Database, *, user_id: str, now: datetime) -> bytes:
    """
    Return the totals of the completed orders and the balance, as JSON.

    Raises:
        UserNotFound: there is no such account.
    """
    summary = await _get_summary(db, user_id)
    return encode_data(
        Statistics(
            total_games=summary.games,
            total_saved=summary.saved,
            days_since_registration=days_since(summary.created_at, now=now),
            total_orders=summary.orders,
            balance=summary.balance,
        )
    )


async def _get_summary(db: Database, user_id: str) -> CustomerSummary:
    async with db.read() as reader:
        summary = await queries.find_customer_summary(reader, user_id)
    if summary is None:
        raise UserNotFound
    return summary
