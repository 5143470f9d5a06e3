"""The balance of a customer."""

from datetime import datetime

from keyshop.accounts.errors import UserNotFound
from keyshop.cache_keys import BALANCE
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data
from keyshop.wallet import queries
from keyshop.wallet.models import Balance


async def show_balance(db: Database, cache: Cache, *, user_id: str, now: datetime) -> bytes:
    """
    Return the customer's balance as JSON, from the cache or the database.

    Raises:
        UserNotFound: there is no such account.
    """

    async def load() -> Loaded:
        async with db.read() as reader:
            balance = await queries.find_balance(reader, user_id)
        return Loaded(None if balance is None else encode_data(Balance(balance=balance)))

    answer = await cache.read(BALANCE.find_key(user=user_id), load, now=now)
    if answer is None:
        raise UserNotFound
    return answer
