"""The prices, quantities and update times that a new catalogue begins with, as compact arrays."""

import random
from array import array
from dataclasses import dataclass
from functools import cache

# A fixed day, so that one seed gives one catalogue whenever it is started.
_NEWEST_UPDATE = 1_767_225_600  # 2026-01-01 00:00:00 UTC
_MIN_UPDATE = _NEWEST_UPDATE - 90 * 86_400

FOLLOWS_STOCK, BUYABLE, NOT_BUYABLE = 0, 1, 2


@dataclass(slots=True)
class Figures:
    """What changes about the products, one array per figure; the index is a product's place."""

    min_price: "array[int]"  # cents
    retail_price: "array[int]"  # cents
    retail_base: "array[int]"  # cents
    qty: "array[int]"
    updated_at: "array[int]"  # seconds since 1970
    availability: "array[int]"  # FOLLOWS_STOCK, BUYABLE or NOT_BUYABLE

    def append(self) -> None:
        """Add a place with nothing in it."""
        for figures in (
            self.min_price, self.retail_price, self.retail_base,
            self.qty, self.updated_at, self.availability,
        ):  # fmt: skip
            figures.append(0)


def realistic_figures(products: int, seed: int) -> Figures:
    """Return prices and stock like a shop's: mostly cheap, a twelfth sold out, fees on top."""
    prices = _price_table()
    words = _random_words(products, f"prices {seed}")
    min_price = array("I", [prices[word & 0xFFF] for word in words])
    shares = _retail_shares()
    # The 12 bits above chose the price; the next 8 choose how far the retail price lies from it.
    retail = array(
        "I",
        [
            price * shares[word >> 12 & 0xFF] // 1000
            for price, word in zip(min_price, words, strict=True)
        ],
    )
    stocks = _stock_table()
    return Figures(
        min_price=min_price,
        retail_price=retail,
        retail_base=array("I", [price * 20 // 21 for price in retail]),
        qty=array("I", [stocks[word >> 20 & 0xFFF] for word in words]),
        updated_at=_update_times(products, seed),
        availability=array("B", bytes(products)),
    )


def sandbox_figures(products: int, seed: int) -> Figures:
    """Return the figures of the supplier's sandbox: one retail price, nothing can be bought."""
    figures = realistic_figures(products, seed)
    figures.retail_price = array("I", [925]) * products
    figures.retail_base = array("I", [900]) * products
    figures.qty = array("I", [20 + qty * 7 % 3830 for qty in figures.qty])
    figures.availability = array("B", [NOT_BUYABLE]) * products
    return figures


def _random_words(count: int, seed: str) -> "array[int]":
    """Return `count` random 32-bit words; those of a smaller count are the first of a larger one."""
    words = array("I")
    words.frombytes(random.Random(seed).randbytes(4 * count))  # noqa: S311 - a catalogue is no secret
    return words


def _update_times(products: int, seed: int) -> "array[int]":
    span = _NEWEST_UPDATE - _MIN_UPDATE
    words = _random_words(products, f"updates {seed}")
    return array("I", [_MIN_UPDATE + word % span for word in words])


@cache
def _price_table() -> list[int]:
    dice = random.Random("price table")  # noqa: S311 - a catalogue is no secret
    return [_shop_price(dice) for _ in range(4096)]


def _shop_price(dice: random.Random) -> int:
    cents = min(max(int(100 * dice.lognormvariate(2.0, 1.0)), 19), 14_999)
    ending = dice.random()
    if ending < 0.35:
        return cents // 100 * 100 + 99
    if ending < 0.5 and cents >= 100:
        return cents // 100 * 100 + (50 if ending < 0.42 else 0)
    return cents


def _retail_shares() -> list[int]:
    """Return retail prices in thousandths of the minimal price: some equal, some even lower."""
    lower, equal = range(850, 980, 6), [1000] * 24
    higher = [1020 + 330 * step // 210 for step in range(256 - len(lower) - len(equal))]
    return [*lower, *equal, *higher]


@cache
def _stock_table() -> list[int]:
    dice = random.Random("stock table")  # noqa: S311 - a catalogue is no secret
    return [0 if dice.random() < 0.08 else int(5800 * dice.random() ** 4) + 1 for _ in range(4096)]
