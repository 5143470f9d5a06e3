"""Writes through the supplier: changes its prices, and runs a stock check."""

import asyncio
import json
from decimal import Decimal
from time import monotonic_ns
from urllib.request import Request, urlopen

from keyshop.assembly import Shop
from keyshop.catalog.rules import shop_price
from keyshop.sync.errors import SyncAlreadyRunning
from keyshop.sync.rules import RunState
from tests.consistency.keys import Kind, of_kind
from tests.consistency.writers.config import Writing, price_of, version_of

_SECONDS = 10


class SyncWriter:
    """Raises the prices of some products and runs a stock check."""

    def __init__(self, writing: Writing, shop: Shop) -> None:
        self._writing = writing
        self._shop = shop
        self._keys = of_kind(Kind.SYNC)

    async def write(self) -> None:
        """Give some games their next version."""
        products = self._writing.config.products
        invoked = monotonic_ns()
        versions: dict[int, int] = {}
        for key in self._writing.dice.sample(self._keys, 2):
            product = products[key.id]
            cents = await asyncio.to_thread(self._read_price, product) + 1
            versions[key.number] = version_of_product(cents)
            self._writing.note_tried({key.number: versions[key.number]}, invoked)
            await asyncio.to_thread(
                set_price, self._writing.config.simulator_url or "", product, cents
            )
        if await self._is_checked():
            self._writing.note_acknowledged(versions, invoked)
        else:
            self._writing.note_unknown(versions, invoked)

    async def _is_checked(self) -> bool:
        try:
            run = await self._shop.run_stock_check()
        except SyncAlreadyRunning:
            # The worker's own: it may have read these prices, or the old ones.
            return False
        return run.state is RunState.COMPLETE

    def _read_price(self, product: str) -> int:
        found = _call_simulator(
            self._writing.config.simulator_url or "", "GET", f"products/{product}", None
        )
        return round(float(str(found["minPrice"])) * 100)


def version_of_product(cents: int) -> int:
    """Return the version that the shop shows for the supplier's price."""
    return version_of(shop_price(price_of(cents)))


def set_price(simulator_url: str, product: str, cents: int) -> None:
    """Set the price of a product at the simulator, and keep it in stock."""
    price = float(Decimal(cents).scaleb(-2))
    _call_simulator(
        simulator_url,
        "PATCH",
        f"products/{product}",
        {"minPrice": price, "retail_min_price": price, "qty": 50},
    )


def list_products(simulator_url: str, *, limit: int) -> list[str]:
    """Return ids of products of the simulator."""
    ids = _call_simulator(simulator_url, "GET", f"products?limit={limit}", None)["ids"]
    assert isinstance(ids, list)
    return [str(id_) for id_ in ids]


def _call_simulator(simulator_url: str, method: str, path: str, body: object) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{simulator_url}/_simulator/{path}", data, method=method)
    with urlopen(request, timeout=_SECONDS) as answer:
        found: dict[str, object] = json.load(answer)
        return found
