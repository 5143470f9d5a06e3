"""The answers that readers have, and their questions whether one of them is unchanged."""

import re
from random import Random
from typing import Final, NamedTuple

from tests.consistency.keys import KEYS, Family
from tests.consistency.orders import KnownOrders
from tests.consistency.requests import Request, path_of

_SHARE: Final = 0.5
_find_etag: Final = re.compile(rb'\r\netag: ("[^"]*")\r\n', re.IGNORECASE).search
_ORDERS: Final = path_of(Family.ORDERS)
_END: Final = b"\r\n\r\n"


class KnownAnswer(NamedTuple):
    """An answer with its head, and its entity tag."""

    etag: bytes
    answer: bytes


class KnownAnswers:
    """The last answer to each request, from whichever process it came."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._by_request: dict[bytes, KnownAnswer] = {}
        self.orders: Final = KnownOrders()

    def choose(self, request: Request) -> KnownAnswer | None:
        """Return the answer whose entity tag this request is to name; None: it is to name none."""
        return self._by_request.get(request.text) if self._dice.random() < _SHARE else None

    def remember(self, request: Request, answer: bytes) -> None:
        """Keep an answer of status 200, if it has an entity tag, and the orders in a list of them."""
        if request.path == _ORDERS:
            self.orders.remember(KEYS[request.key], answer[answer.index(_END) + len(_END) :])
        found = _find_etag(answer, 0, answer.index(_END) + 2)
        if found:
            self._by_request[request.text] = KnownAnswer(found[1], answer)


def ask_if_unchanged(request: Request, known: KnownAnswer) -> bytes:
    """Return the bytes of the request with the known answer's entity tag."""
    return request.text[:-2] + b"If-None-Match: " + known.etag + _END
