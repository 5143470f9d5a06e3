"""Prices and stock that move by themselves, as other buyers and sellers would move them."""

import random
from datetime import datetime

from g2a_simulator.catalogue import Catalogue

# After a long pause not everything is made up for: one call would take seconds.
_MAX_AT_ONCE = 10_000


class Drift:
    """Changes so many products a second, whenever time is looked at."""

    def __init__(self, dice: random.Random, *, since: datetime) -> None:
        self._dice = dice
        self._since = since

    def go_on(self, catalogue: Catalogue, *, per_second: float, now: datetime) -> None:
        """Change as many products as are due since the last time."""
        if per_second <= 0 or not len(catalogue.figures.qty):
            self._since = now
            return
        due = min(int((now - self._since).total_seconds() * per_second), _MAX_AT_ONCE)
        if due > 0:
            self._since = now
        for _ in range(due):
            self._move(
                catalogue, self._dice.randrange(len(catalogue.figures.qty)), int(now.timestamp())
            )

    def _move(self, catalogue: Catalogue, place: int, now: int) -> None:
        figures = catalogue.figures
        if self._dice.random() < 0.5:
            price = figures.min_price[place] * self._dice.randint(90, 111) // 100
            catalogue.set_price(place, min(max(price, 10), 50_000), now=now)
        else:
            stock = figures.qty[place] + self._dice.randint(-20, 20)
            catalogue.set_stock(place, max(stock, 0), now=now)
