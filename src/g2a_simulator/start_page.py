"""The page at `/`: the market at a glance, and switches for its moods."""

from jinja2 import Environment, PackageLoader

from g2a_simulator.faults import ENDPOINTS, KINDS, faults_at
from g2a_simulator.market import Market

_SHOWN = 20
# Fields that a broken product lacks stay empty.
_PAGES = Environment(loader=PackageLoader("g2a_simulator"), autoescape=True)


def start_page(market: Market) -> bytes:
    """Return the page as HTML; it loads nothing from anywhere."""
    first = [market.product(product_id) for product_id in market.first_ids(_SHOWN)]
    return (
        _PAGES.get_template("start.html")
        .render(
            market=market,
            products=first,
            orders=[(each, market.order_status(each)) for each in market.orders.newest(_SHOWN)],
            calls=list(market.ledger.calls)[: -_SHOWN - 1 : -1],
            counts=sorted(market.ledger.counts.items(), key=str),
            endpoints=ENDPOINTS,
            kinds=KINDS,
            possible={kind for endpoint in ENDPOINTS for kind in faults_at(endpoint)}
            - KINDS.keys(),
        )
        .encode()
    )
