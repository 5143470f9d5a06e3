"""All orders of a customer."""

from datetime import datetime

from keyshop.cache_keys import ORDERS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data
from keyshop.orders import show_queries


async def list_orders(db: Database, cache: Cache, *, user_id: str, now: datetime) -> bytes:
    """Return all orders of the user as JSON, the newest first; no key has its text."""

    async def load() -> Loaded:
        async with db.read() as reader:
            return Loaded(encode_data(await show_queries.list_orders(reader, user_id)))

    return await cache.read(ORDERS.find_key(user=user_id), load, now=now) or encode_data([])


async def list_orders_page(db: Database, *, user_id: str, after: str | None, count: int) -> bytes:
    """
    Return up to `count` orders of the user as JSON, the newest first; no key has its text.

    `after` is the id of the last order of the page before; None: the first page. An id that is not of
    an order of the user's has an empty page.
    """
    async with db.read() as reader:
        return encode_data(await show_queries.list_page(reader, user_id, after=after, count=count))
