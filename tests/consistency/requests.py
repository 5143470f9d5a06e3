"""The requests that readers send, and their shares."""

from random import Random
from typing import Final, NamedTuple

from tests.consistency.contents import ALWAYS, session_of
from tests.consistency.keys import (
    GAMES,
    PERSONAL,
    SIGNED_OUT,
    Family,
    Key,
    Kind,
    choose_personal,
    keys_of,
)
from tests.consistency.orders import KnownOrders
from tests.consistency.sign_ins import SignIns

GENRE: Final = "Consistency Checker"

PATHS: Final = (
    "game",
    "game by slug",
    "best sellers",
    "new in catalogue",
    "new",
    "by genre",
    "catalogue page",
    "similar",
    "search",
    "collections",
    "profile",
    "cart",
    "wishlist",
    "access",
    "guest cart",
    "guest wishlist",
    "balance",
    "transactions",
    "orders",
    "order",
)
_GAME, _SLUG = 0, 1
_PERSONAL: Final = {PATHS.index(family) for family in Family if family is not Family.GAME}

_LISTS: Final = {
    "best sellers": ("/api/games/best-sellers", 12),
    "new in catalogue": ("/api/games/new-in-catalog", 6),
    "new": ("/api/games/new", 6),
    "by genre": ("/api/games/by-genre/consistency-checker", 10),
    "catalogue page": ("/api/games?sort=popular&page=1", 10),
    "similar": ("/api/games/chk-foreign0/similar", 4),
    "search": ("/api/games/search?q=Watched%20game", 2),
    "collections": ("/api/games/collections", 2),
}
_PERSONAL_URLS: Final = {
    Family.PROFILE: ("/api/user/profile", "/api/auth/me"),
    Family.CART: ("/api/cart",),
    Family.WISHLIST: ("/api/wishlist", "/api/user/wishlist"),
    Family.GUEST_CART: ("/api/cart",),
    Family.GUEST_WISHLIST: ("/api/wishlist",),
    Family.BALANCE: ("/api/user/balance",),
    Family.TRANSACTIONS: ("/api/user/transactions",),
    Family.ORDERS: ("/api/orders",),
}
_ACCESS_URL: Final = "/api/user/balance"
_ROUND: Final = 1000  # requests; the next constants are parts of it
_LIST_SHARE: Final = 70
_SLUGS: Final = 60
_COLD: Final = 40
_MISSING: Final = 20
_SLOTS: Final = 60
PERSONAL_SHARE: Final = 0.2
"""The share of requests for personal data."""


def path_of(family: Family) -> int:
    """Return the index of the family's request in `PATHS`."""
    return PATHS.index(family)


def is_personal(path: int) -> bool:
    """Test whether the request is for personal data."""
    return path in _PERSONAL


class Request(NamedTuple):
    """One request, with its bytes."""

    text: bytes
    path: int
    key: int
    """The number of the requested object; -1 for a list."""

    version: int = 0
    """The version of the sign-in whose token is tested; 0 for other requests."""


def make_round(dice: Random) -> list[Request]:
    """Return a thousand requests in random order, in realistic shares."""
    hot = [key for key in GAMES if key.hot]
    cold = [key for key in GAMES if not key.hot and key.kind is Kind.BULK]
    missing = [key for key in GAMES if key.kind is Kind.MISSING]
    slots = [key for key in GAMES if key.kind is Kind.SLOT]
    requests = [
        *(_by_slug(dice.choice(hot)) for _ in range(_SLUGS)),
        *(_by_id(dice.choice(cold)) for _ in range(_COLD)),
        *(_by_id(dice.choice(missing)) for _ in range(_MISSING)),
        *(_by_id(dice.choice(slots)) for _ in range(_SLOTS)),
        *_lists(dice),
    ]
    requests += [_by_id(dice.choice(hot)) for _ in range(_ROUND - len(requests))]
    dice.shuffle(requests)
    return requests


class PersonalRequests:
    """Requests for personal data, with a token or cookie."""

    def __init__(self, dice: Random, sign_ins: SignIns, known_orders: KnownOrders) -> None:
        """Sign a token for each customer who stays signed in."""
        self._dice = dice
        self._sign_ins = sign_ins
        self._known_orders = known_orders
        self._keys = [
            key for key in PERSONAL if key.family is Family.ACCESS or key.owner not in SIGNED_OUT
        ]
        self._ready = {key.number: self._make(key) for key in self._keys}

    def choose(self) -> Request:
        """Choose one request."""
        key = choose_personal(self._dice, self._keys)
        if key.family is Family.ORDER:
            return self._ask_for_order(key)
        if key.family is not Family.ACCESS:
            return self._dice.choice(self._ready[key.number])
        version = self._sign_ins.guess(key.owner)
        token = self._sign_ins.sign(key.owner, version)
        return Request(_get(_ACCESS_URL, _bearer(token)), path_of(key.family), key.number, version)

    def _ask_for_order(self, key: Key) -> Request:
        """Request the newest known order, or the list of orders while none is known."""
        order_id = self._known_orders.find(key)
        if order_id is None:
            return self._ready[keys_of(key.owner)[Family.ORDERS].number][0]
        who = _bearer(self._sign_ins.sign(key.owner, ALWAYS))
        return Request(_get(f"/api/orders/{order_id}", who), path_of(key.family), key.number)

    def _make(self, key: Key) -> list[Request]:
        if key.is_of_guest:
            who = f"Cookie: sessionId={session_of(key.owner)}"
        else:
            who = _bearer(self._sign_ins.sign(key.owner, ALWAYS))
        urls = _PERSONAL_URLS.get(key.family, ())
        return [Request(_get(url, who), path_of(key.family), key.number) for url in urls]


def _bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def _lists(dice: Random) -> list[Request]:
    names = list(_LISTS)
    chosen = dice.choices(names, weights=[_LISTS[name][1] for name in names], k=_LIST_SHARE)
    return [Request(_get(_LISTS[name][0]), PATHS.index(name), -1) for name in chosen]


def _by_id(key: Key) -> Request:
    return Request(_get(f"/api/games/{key.id}"), _GAME, key.number)


def _by_slug(key: Key) -> Request:
    return Request(_get(f"/api/games/slug/{key.slug}"), _SLUG, key.number)


def _get(target: str, *headers: str) -> bytes:
    lines = (f"GET {target} HTTP/1.1", "Host: shop", "Accept: application/json", *headers)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()
