"""Show a customer an order, with the keys that belong to it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from keyshop.cache_keys import ORDER
from keyshop.keys.reveal_keys import reveal
from keyshop.keys.settings import Vault
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import Envelope, encode_data
from keyshop.kit.secrets import Secret
from keyshop.orders import show_queries
from keyshop.orders.answers import OrderAnswer
from keyshop.orders.errors import OrderNotFound

_DECODER: Final = msgspec.json.Decoder(Envelope[OrderAnswer])


class OrderReader(msgspec.Struct, frozen=True, kw_only=True):
    """Where orders are read from."""

    db: Database
    cache: Cache
    vault: Vault


async def show_order(parts: OrderReader, *, order_id: str, user_id: str, now: datetime) -> bytes:
    """
    Return the user's order as JSON, with its keys in plain text.

    What is cached has no key. The keys are unsealed for this answer alone, and recorded as revealed.

    Raises:
        OrderNotFound: there is no such order, or it is another customer's.
        DatabaseUnavailable: the database does not answer, or does not record what is revealed.
    """

    async def load() -> Loaded:
        async with parts.db.read() as reader:
            order = await show_queries.find_order(reader, order_id)
        return Loaded(None if order is None else encode_data(order))

    body = await parts.cache.read(ORDER.find_key(id=order_id), load, now=now)
    order = None if body is None else _DECODER.decode(body).data
    if body is None or order is None or order.user_id != user_id:
        raise OrderNotFound
    if not order.keys:
        return body
    async with parts.db.transaction() as tx:
        # Asked of the database too: a key is shown to its owner alone, whatever a cache says.
        if not await show_queries.is_owner(tx, order_id, user_id):
            raise OrderNotFound
        texts = await reveal(tx, parts.vault, order_id=order_id, user_id=user_id, now=now)
    return encode_data(_with_keys(order, texts))


async def show_placed_order(
    parts: OrderReader, order_id: str, texts: Mapping[str, Secret]
) -> bytes:
    """
    Return an order that was just placed as JSON, with these keys, which are recorded as revealed.

    Raises:
        OrderNotFound: it was deleted in the meantime.
    """
    async with parts.db.read() as reader:
        order = await show_queries.find_order(reader, order_id)
    if order is None:
        raise OrderNotFound
    return encode_data(_with_keys(order, texts))


def _with_keys(order: OrderAnswer, texts: Mapping[str, Secret]) -> OrderAnswer:
    return replace(
        order,
        keys=[
            replace(key, key=texts[key.id].reveal()) if key.id in texts else key
            for key in order.keys
        ],
    )
