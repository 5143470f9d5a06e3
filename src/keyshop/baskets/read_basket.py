"""Reads carts and wishlists through the cache, of customers and of guests."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec import Struct

from keyshop.baskets import queries
from keyshop.baskets.models import Owner, Visitor
from keyshop.baskets.rules import is_session_id
from keyshop.kit.cache.families import Family, digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader


class BasketView(Struct, frozen=True, kw_only=True):
    """How one kind of basket is read."""

    of_users: Family
    of_guests: Family
    load: Callable[[Reader, Owner], Awaitable[bytes]]
    empty: bytes
    """The answer to a guest without a session."""


async def read_basket(
    db: Database, cache: Cache, visitor: Visitor, view: BasketView, *, now: datetime
) -> bytes:
    """Return the visitor's basket in the form that the cache stores; this writes nothing."""
    if visitor.user_id is not None:
        return await _read_users(db, cache, visitor.user_id, view, now=now)
    if visitor.session_id is None or not is_session_id(visitor.session_id):
        return view.empty
    return await _read_guests(db, cache, visitor.session_id, view, now=now)


async def _read_users(
    db: Database, cache: Cache, user_id: str, view: BasketView, *, now: datetime
) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            return Loaded(await view.load(reader, Owner(id=user_id, is_guest=False)))

    return await cache.read(view.of_users.find_key(user=user_id), load, now=now) or view.empty


async def _read_guests(
    db: Database, cache: Cache, session_id: str, view: BasketView, *, now: datetime
) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            expires = await queries.find_expiry(reader, session_id=session_id, now=now)
            if expires is None:
                return Loaded(None)
            return Loaded(await view.load(reader, Owner(id=session_id, is_guest=True)), expires)

    key = view.of_guests.find_key(digest=digest(session_id))
    return await cache.read(key, load, now=now) or view.empty
