"""Encode a product as JSON, from its facts and the inventory."""

import time
from functools import lru_cache

from g2a_simulator.inventory import BUYABLE, FOLLOWS_STOCK, Inventory
from g2a_simulator.product_facts import ProductFacts

_PRODUCT = (
    b'%s"qty":%d,"minPrice":%s,"retail_min_price":%s,"retailMinBasePrice":%s,'
    b'"availableToBuy":%s,%s"updated_at":"%s",%s%s}'
)
_DESCRIPTION = b',"description":"<p>A digital key, delivered at once.</p>"'


def encode_product(
    facts: ProductFacts, inventory: Inventory, place: int, *, dated: bool, described: bool
) -> bytes:
    """Return the product at a place as the API emits it."""
    return _PRODUCT % (
        facts.head,
        inventory.qty[place],
        _format_price(inventory.min_price[place]),
        _format_price(inventory.retail_price[place]),
        _format_price(inventory.retail_base[place]),
        b"true" if is_buyable(inventory, place) else b"false",
        facts.pictures,
        _format_time(inventory.updated_at[place]) if dated else b"",
        facts.tail,
        _DESCRIPTION if described else b"",
    )


def is_buyable(inventory: Inventory, place: int) -> bool:
    """Test whether the API says that the product can be bought."""
    availability = inventory.availability[place]
    return inventory.qty[place] > 0 if availability == FOLLOWS_STOCK else availability == BUYABLE


@lru_cache(maxsize=65_536)
def _format_price(cents: int) -> bytes:
    """Return a price as the supplier writes it: as an integer when it is one."""
    whole, rest = divmod(cents, 100)
    return b"%d" % whole if rest == 0 else (b"%d.%02d" % (whole, rest)).rstrip(b"0")


def _format_time(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)).encode()
