"""A product as JSON: invented facts around the figures of the moment."""

import time
from functools import lru_cache

from g2a_simulator.figures import BUYABLE, FOLLOWS_STOCK, Figures
from g2a_simulator.invent import Facts

_PRODUCT = (
    b'%s"qty":%d,"minPrice":%s,"retail_min_price":%s,"retailMinBasePrice":%s,'
    b'"availableToBuy":%s,%s"updated_at":"%s",%s%s}'
)
_DESCRIPTION = b',"description":"<p>A digital key, delivered at once.</p>"'


def write_offer(
    facts: Facts, figures: Figures, place: int, *, dated: bool, described: bool
) -> bytes:
    """Return the product at a place as the API writes it."""
    return _PRODUCT % (
        facts.head,
        figures.qty[place],
        _money(figures.min_price[place]),
        _money(figures.retail_price[place]),
        _money(figures.retail_base[place]),
        b"true" if is_buyable(figures, place) else b"false",
        facts.pictures,
        _moment(figures.updated_at[place]) if dated else b"",
        facts.tail,
        _DESCRIPTION if described else b"",
    )


def is_buyable(figures: Figures, place: int) -> bool:
    """Test whether the API says that the product can be bought."""
    availability = figures.availability[place]
    return figures.qty[place] > 0 if availability == FOLLOWS_STOCK else availability == BUYABLE


@lru_cache(maxsize=65_536)
def _money(cents: int) -> bytes:
    """Write a price as the supplier does: a whole number when it is one, else a fraction."""
    whole, rest = divmod(cents, 100)
    return b"%d" % whole if rest == 0 else (b"%d.%02d" % (whole, rest)).rstrip(b"0")


def _moment(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)).encode()
