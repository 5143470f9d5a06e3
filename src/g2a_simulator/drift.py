"""Prices and stock that change with time, as other buyers and sellers would change them."""

import random
from datetime import datetime

from g2a_simulator.catalogue import Catalogue

# After a long pause, one call would take seconds to catch up completely.
_MAX_CHANGES = 10_000


class Drift:
    """Changes some products per second; `advance` applies the changes that are due."""

    def __init__(self, randomness: random.Random, *, since: datetime) -> None:
        self._random = randomness
        self._since = since

    def advance(self, catalogue: Catalogue, *, per_second: float, now: datetime) -> None:
        """Change as many products as are due since the last call."""
        if per_second <= 0 or not len(catalogue.inventory.qty):
            self._since = now
            return
        due = min(int((now - self._since).total_seconds() * per_second), _MAX_CHANGES)
        if due > 0:
            self._since = now
        for _ in range(due):
            place = self._random.randrange(len(catalogue.inventory.qty))
            self._change_product(catalogue, place, int(now.timestamp()))

    def _change_product(self, catalogue: Catalogue, place: int, now: int) -> None:
        inventory = catalogue.inventory
        if self._random.random() < 0.5:
            price = inventory.min_price[place] * self._random.randint(90, 111) // 100
            catalogue.set_price(place, min(max(price, 10), 50_000), now=now)
        else:
            stock = inventory.qty[place] + self._random.randint(-20, 20)
            catalogue.set_stock(place, max(stock, 0), now=now)
