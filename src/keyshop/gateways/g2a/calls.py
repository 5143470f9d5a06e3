"""The calls of the buyer API: method, deadline, and whether a lost answer may hide a deed."""

from typing import Final

from msgspec import Struct


class Call(Struct, frozen=True, kw_only=True):
    """One kind of call; `seconds` bounds it from the first byte sent to the last one read."""

    endpoint: str
    method: str
    seconds: float
    # Whether G2A does something that a lost answer would hide: reserve, charge, hand out a key.
    changes: bool


PRODUCTS: Final = Call(endpoint="products", method="GET", seconds=10, changes=False)
ORDER: Final = Call(endpoint="order", method="POST", seconds=10, changes=True)
PAY: Final = Call(endpoint="pay", method="PUT", seconds=30, changes=True)
DETAILS: Final = Call(endpoint="details", method="GET", seconds=10, changes=False)
# A GET in name only: the key is handed out once, whether or not the answer arrives.
KEY: Final = Call(endpoint="key", method="GET", seconds=90, changes=True)
