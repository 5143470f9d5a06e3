"""A customer's figures."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Balance, Statistics
from keyshop.accounts.queries import Figures
from keyshop.accounts.rules import days_since
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data


async def show_statistics(db: Database, *, user_id: str, now: datetime) -> bytes:
    """
    Return what was bought and saved in completed orders, since when, and the balance.

    Raises:
        UserNotFound: the account is gone.
    """
    figures = await _find(db, user_id)
    return encode_data(
        Statistics(
            total_games=figures.games,
            total_saved=figures.saved,
            days_since_registration=days_since(figures.created_at, now=now),
            total_orders=figures.orders,
            balance=figures.balance,
        )
    )


async def show_balance(db: Database, *, user_id: str) -> bytes:
    """
    Return what the customer has to spend.

    Raises:
        UserNotFound: the account is gone.
    """
    return encode_data(Balance(balance=(await _find(db, user_id)).balance))


async def _find(db: Database, user_id: str) -> Figures:
    async with db.read() as reader:
        figures = await queries.find_figures(reader, user_id)
    if figures is None:
        raise UserNotFound
    return figures
