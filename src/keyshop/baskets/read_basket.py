"""How carts and wishlists are read: a customer's or a guest's, kept or from their rows."""

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
    """One kind of basket."""

    of_users: Family
    of_guests: Family
    load: Callable[[Reader, Owner], Awaitable[bytes]]
    empty: bytes
    """What whoever has none is shown."""


async def read_basket(
    db: Database, cache: Cache, visitor: Visitor, kept: BasketView, *, now: datetime
) -> bytes:
    """Return the visitor's basket as it is kept; this writes nothing."""
    if visitor.user_id is not None:
        return await _read_users(db, cache, visitor.user_id, kept, now=now)
    if visitor.session_id is None or not is_session_id(visitor.session_id):
        return kept.empty
    return await _read_guests(db, cache, visitor.session_id, kept, now=now)


async def _read_users(
    db: Database, cache: Cache, user_id: str, kept: BasketView, *, now: datetime
) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            return Loaded(await kept.load(reader, Owner(id=user_id, is_guest=False)))

    return await cache.read(kept.of_users.find_key(user=user_id), load, now=now) or kept.empty


async def _read_guests(
    db: Database, cache: Cache, session_id: str, kept: BasketView, *, now: datetime
) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            expires = await queries.find_expiry(reader, session_id=session_id, now=now)
            if expires is None:
                return Loaded(None)
            return Loaded(await kept.load(reader, Owner(id=session_id, is_guest=True)), expires)

    key = kept.of_guests.find_key(digest=digest(session_id))
    return await cache.read(key, load, now=now) or kept.empty
