"""Prices, quantities and update times of all products as compact arrays, and their first values."""

import random
from array import array
from dataclasses import dataclass
from functools import cache

# A fixed day, so that a seed gives the same catalogue at any time.
_NEWEST_UPDATE = 1_767_225_600  # 2026-01-01 00:00:00 UTC
_OLDEST_UPDATE = _NEWEST_UPDATE - 90 * 86_400

FOLLOWS_STOCK, BUYABLE, NOT_BUYABLE = 0, 1, 2


@dataclass(slots=True)
class Inventory:
    """One array per field that changes; the index is a product's place."""

    min_price: "array[int]"  # cents
    retail_price: "array[int]"  # cents
    retail_base: "array[int]"  # cents
    qty: "array[int]"
    updated_at: "array[int]"  # seconds since 1970
    availability: "array[int]"  # FOLLOWS_STOCK, BUYABLE or NOT_BUYABLE

    def append(self) -> None:
        """Add a place with zeros."""
        for column in (
            self.min_price, self.retail_price, self.retail_base,
            self.qty, self.updated_at, self.availability,
        ):  # fmt: skip
            column.append(0)


def realistic_inventory(products: int, seed: int) -> Inventory:
    """Return the inventory of a real shop: mostly cheap, a twelfth out of stock, fees on top."""
    prices = _price_table()
    integers = _random_integers(products, f"prices {seed}")
    min_price = array("I", [prices[word & 0xFFF] for word in integers])
    shares = _retail_shares()
    # The lower 12 bits chose the price; the next 8 choose the difference of the retail price.
    retail = array(
        "I",
        [
            price * shares[word >> 12 & 0xFF] // 1000
            for price, word in zip(min_price, integers, strict=True)
        ],
    )
    stocks = _stock_table()
    return Inventory(
        min_price=min_price,
        retail_price=retail,
        retail_base=array("I", [price * 20 // 21 for price in retail]),
        qty=array("I", [stocks[word >> 20 & 0xFFF] for word in integers]),
        updated_at=_update_times(products, seed),
        availability=array("B", bytes(products)),
    )


def sandbox_inventory(products: int, seed: int) -> Inventory:
    """Return the inventory of the supplier's sandbox: one retail price, nothing available."""
    inventory = realistic_inventory(products, seed)
    inventory.retail_price = array("I", [925]) * products
    inventory.retail_base = array("I", [900]) * products
    inventory.qty = array("I", [20 + qty * 7 % 3830 for qty in inventory.qty])
    inventory.availability = array("B", [NOT_BUYABLE]) * products
    return inventory


def _random_integers(count: int, seed: str) -> "array[int]":
    """Return `count` random 32-bit integers; a smaller count gives the first ones of a larger count."""
    integers = array("I")
    integers.frombytes(random.Random(seed).randbytes(4 * count))  # noqa: S311 - a catalogue is no secret
    return integers


def _update_times(products: int, seed: int) -> "array[int]":
    span = _NEWEST_UPDATE - _OLDEST_UPDATE
    integers = _random_integers(products, f"updates {seed}")
    return array("I", [_OLDEST_UPDATE + word % span for word in integers])


@cache
def _price_table() -> list[int]:
    generator = random.Random("price table")  # noqa: S311 - a catalogue is no secret
    return [_shop_price(generator) for _ in range(4096)]


def _shop_price(generator: random.Random) -> int:
    cents = min(max(int(100 * generator.lognormvariate(2.0, 1.0)), 19), 14_999)
    ending = generator.random()
    if ending < 0.35:
        return cents // 100 * 100 + 99
    if ending < 0.5 and cents >= 100:
        return cents // 100 * 100 + (50 if ending < 0.42 else 0)
    return cents


def _retail_shares() -> list[int]:
    """Return retail prices in thousandths of the minimal price; some are equal, some lower."""
    lower, equal = range(850, 980, 6), [1000] * 24
    higher = [1020 + 330 * step // 210 for step in range(256 - len(lower) - len(equal))]
    return [*lower, *equal, *higher]


@cache
def _stock_table() -> list[int]:
    generator = random.Random("stock table")  # noqa: S311 - a catalogue is no secret
    return [
        0 if generator.random() < 0.08 else int(5800 * generator.random() ** 4) + 1
        for _ in range(4096)
    ]
