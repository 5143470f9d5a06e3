"""The ledger of a customer, as the customer sees it."""

from datetime import datetime
from typing import Any

from asyncpg import Record

from keyshop.accounts.errors import UserNotFound
from keyshop.cache_keys import USER_TRANSACTIONS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data, format_utc
from keyshop.wallet import queries
from keyshop.wallet.models import ShownTransaction


async def list_transactions(db: Database, cache: Cache, *, user_id: str, now: datetime) -> bytes:
    """
    Return the customer's transactions as JSON, the newest first, from the cache or the database.

    Raises:
        UserNotFound: there is no such account.
    """

    async def load() -> Loaded:
        async with db.read() as reader:
            records = await queries.list_transactions(reader, user_id)
            if not records and await queries.find_balance(reader, user_id) is None:
                return Loaded(None)
        return Loaded(encode_data([_shown(record) for record in records]))

    answer = await cache.read(USER_TRANSACTIONS.find_key(user=user_id), load, now=now)
    if answer is None:
        raise UserNotFound
    return answer


def _shown(record: Record) -> ShownTransaction:
    fields: dict[str, Any] = {name: value for name, value in record.items() if value is not None}
    return ShownTransaction(**fields | {"created_at": format_utc(record["created_at"])})
