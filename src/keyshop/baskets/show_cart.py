"""A visitor's cart, with the current data of its games."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from keyshop.baskets import queries
from keyshop.baskets.models import Cart, Owner, Visitor
from keyshop.baskets.read_basket import BasketView, read_basket
from keyshop.cache_keys import CART, GUEST_CART
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import encode_data


async def show_cart(db: Database, cache: Cache, visitor: Visitor, *, now: datetime) -> bytes:
    """Return the cart, including games that are out of stock; this writes nothing."""
    return await read_basket(db, cache, visitor, _CARTS, now=now)


async def _load(reader: Reader, owner: Owner) -> bytes:
    return encode_data(await queries.read_cart(reader, owner))


_CARTS: Final = BasketView(
    of_users=CART, of_guests=GUEST_CART, load=_load, empty=encode_data(Cart([], Decimal("0.00")))
)
