"""A visitor's wishlist in the shapes that the pages need, from one cached array."""

from datetime import datetime
from typing import Final

from msgspec import Struct, json

from keyshop.baskets import queries
from keyshop.baskets.models import Owner, Visitor
from keyshop.baskets.read_basket import BasketView, read_basket
from keyshop.cache_keys import GUEST_WISHLIST, WISHLIST
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import encode_data

_ENCODER: Final = json.Encoder(decimal_format="number")


class _Wished(Struct, rename="camel"):
    game_id: str


_WISHED: Final = json.Decoder(list[_Wished])


async def show_wishlist(db: Database, cache: Cache, visitor: Visitor, *, now: datetime) -> bytes:
    """Return the wishlist as `{items}`, the game added last first; this writes nothing."""
    return b'{"success":true,"data":{"items":%b}}' % await _read(db, cache, visitor, now=now)


async def show_user_wishlist(
    db: Database, cache: Cache, visitor: Visitor, *, now: datetime
) -> bytes:
    """Return the same wishlist as a plain array."""
    return b'{"success":true,"data":%b}' % await _read(db, cache, visitor, now=now)


async def show_whether_wished(
    db: Database, cache: Cache, visitor: Visitor, game_id: str, *, now: datetime
) -> bytes:
    """Return whether the game is on the wishlist, as `{inWishlist}`."""
    wishes = _WISHED.decode(await _read(db, cache, visitor, now=now))
    return encode_data({"inWishlist": any(wish.game_id == game_id for wish in wishes)})


async def _read(db: Database, cache: Cache, visitor: Visitor, *, now: datetime) -> bytes:
    """Return the array of wishes, which is what the cache stores."""
    return await read_basket(db, cache, visitor, _WISHLISTS, now=now)


async def _load(reader: Reader, owner: Owner) -> bytes:
    return _ENCODER.encode(await queries.list_wishes(reader, owner))


_WISHLISTS: Final = BasketView(
    of_users=WISHLIST, of_guests=GUEST_WISHLIST, load=_load, empty=_ENCODER.encode(())
)
