"""A visitor's cart, with the games as they are now."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from keyshop.baskets import queries
from keyshop.baskets.models import Cart, Owner, Visitor
from keyshop.baskets.rules import is_session_id
from keyshop.cache_keys import CART, GUEST_CART
from keyshop.kit.cache.families import digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database import Database
from keyshop.storefront.answer import answer

EMPTY: Final = answer(Cart([], Decimal("0.00")))
"""The cart of whoever has none."""


async def show_cart(db: Database, cache: Cache, visitor: Visitor, *, now: datetime) -> bytes:
    """Return the cart, games that went out of stock included; this writes nothing."""
    if visitor.user_id is not None:
        return await _show_users(db, cache, visitor.user_id, now=now)
    if visitor.session_id is None or not is_session_id(visitor.session_id):
        return EMPTY
    return await _show_guests(db, cache, visitor.session_id, now=now)


async def _show_users(db: Database, cache: Cache, user_id: str, *, now: datetime) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            cart = await queries.list_lines(reader, Owner(id=user_id, is_guest=False))
        return Loaded(answer(cart))

    return await cache.read(CART.find_key(user=user_id), load, now=now) or EMPTY


async def _show_guests(db: Database, cache: Cache, session_id: str, *, now: datetime) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            expires = await queries.find_expiry(reader, session_id=session_id, now=now)
            if expires is None:
                return Loaded(None)
            cart = await queries.list_lines(reader, Owner(id=session_id, is_guest=True))
        return Loaded(answer(cart), expires)

    key = GUEST_CART.find_key(digest=digest(session_id))
    return await cache.read(key, load, now=now) or EMPTY
