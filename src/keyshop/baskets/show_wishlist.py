"""A visitor's wishlist, in the shapes that the pages want; one kept answer serves them all."""

from datetime import datetime
from typing import Final

from msgspec import Struct, json

from keyshop.baskets import queries
from keyshop.baskets.models import Owner, Visitor, Wish
from keyshop.baskets.rules import is_session_id
from keyshop.cache_keys import GUEST_WISHLIST, WISHLIST
from keyshop.kit.cache.families import digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database import Database
from keyshop.storefront.answer import answer

_EMPTY: Final = b"[]"

_ENCODER: Final = json.Encoder(decimal_format="number")


class _Wished(Struct, rename="camel"):
    game_id: str


_WISHED: Final = json.Decoder(list[_Wished])


async def show_wishlist(db: Database, cache: Cache, visitor: Visitor, *, now: datetime) -> bytes:
    """Return the wishlist as `{items}`, what was added last first; this writes nothing."""
    return b'{"success":true,"data":{"items":%b}}' % await _read(db, cache, visitor, now=now)


async def show_user_wishlist(
    db: Database, cache: Cache, visitor: Visitor, *, now: datetime
) -> bytes:
    """Return the same wishlist as a plain array."""
    return b'{"success":true,"data":%b}' % await _read(db, cache, visitor, now=now)


async def is_wished(
    db: Database, cache: Cache, visitor: Visitor, game_id: str, *, now: datetime
) -> bytes:
    """Return whether the game is on the wishlist, as `{inWishlist}`."""
    wishes = _WISHED.decode(await _read(db, cache, visitor, now=now))
    return answer({"inWishlist": any(wish.game_id == game_id for wish in wishes)})


async def _read(db: Database, cache: Cache, visitor: Visitor, *, now: datetime) -> bytes:
    """Return the array of wishes, which is what is kept."""
    if visitor.user_id is not None:
        return await _read_users(db, cache, visitor.user_id, now=now)
    if visitor.session_id is None or not is_session_id(visitor.session_id):
        return _EMPTY
    return await _read_guests(db, cache, visitor.session_id, now=now)


async def _read_users(db: Database, cache: Cache, user_id: str, *, now: datetime) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            wishes = await queries.list_wishes(reader, Owner(id=user_id, is_guest=False))
        return Loaded(_encode(wishes))

    return await cache.read(WISHLIST.find_key(user=user_id), load, now=now) or _EMPTY


async def _read_guests(db: Database, cache: Cache, session_id: str, *, now: datetime) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            expires = await queries.find_expiry(reader, session_id=session_id, now=now)
            if expires is None:
                return Loaded(None)
            wishes = await queries.list_wishes(reader, Owner(id=session_id, is_guest=True))
        return Loaded(_encode(wishes), expires)

    key = GUEST_WISHLIST.find_key(digest=digest(session_id))
    return await cache.read(key, load, now=now) or _EMPTY


def _encode(wishes: list[Wish]) -> bytes:
    return _ENCODER.encode(wishes)
