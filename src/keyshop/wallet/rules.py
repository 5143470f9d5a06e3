"""Decisions about money, without I/O."""

from decimal import Decimal
from typing import Final

CURRENCY: Final = "EUR"
LARGEST_BALANCE: Final = Decimal(1_000_000)  # EUR
