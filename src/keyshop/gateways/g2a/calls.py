"""The calls of the buyer API: method, timeout, and whether a lost answer may hide an effect."""

from typing import Final

from msgspec import Struct


class Call(Struct, frozen=True, kw_only=True):
    """One kind of call; `timeout` bounds it in seconds, from connecting to the last byte read."""

    endpoint: str
    method: str
    timeout: float
    has_effect: bool  # G2A reserves, charges or hands out a key


PRODUCTS: Final = Call(endpoint="products", method="GET", timeout=10, has_effect=False)
ORDER: Final = Call(endpoint="order", method="POST", timeout=10, has_effect=True)
PAY: Final = Call(endpoint="pay", method="PUT", timeout=30, has_effect=True)
DETAILS: Final = Call(endpoint="details", method="GET", timeout=10, has_effect=False)
# A GET with an effect: the key is handed out once, whether or not the answer arrives.
KEY: Final = Call(endpoint="key", method="GET", timeout=90, has_effect=True)
