"""The page at `/`: the state of the market, and forms that change it."""

from jinja2 import Environment, PackageLoader

from g2a_simulator.faults import ENDPOINTS, KINDS, faults_at
from g2a_simulator.market import Market

_MAX_ROWS = 20
# Fields that an overridden product lacks are empty.
_PAGES = Environment(loader=PackageLoader("g2a_simulator"), autoescape=True)


def start_page(market: Market) -> bytes:
    """Return the page as HTML; it loads no other files."""
    first = [market.product(product_id) for product_id in market.first_ids(_MAX_ROWS)]
    return (
        _PAGES.get_template("start.html")
        .render(
            market=market,
            products=first,
            orders=[(each, market.order_status(each)) for each in market.orders.newest(_MAX_ROWS)],
            calls=list(market.ledger.calls)[: -_MAX_ROWS - 1 : -1],
            counts=sorted(market.ledger.counts.items(), key=str),
            endpoints=ENDPOINTS,
            kinds=KINDS,
            codes={kind for endpoint in ENDPOINTS for kind in faults_at(endpoint)} - KINDS.keys(),
        )
        .encode()
    )
