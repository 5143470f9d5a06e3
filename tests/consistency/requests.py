"""What readers ask for, and how often."""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from tests.consistency.contents import ALWAYS, session_of
from tests.consistency.keys import GAMES, PERSONAL, SIGNED_OUT, Family, Key, Kind
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
_PERSONAL_DOORS: Final = {
    Family.PROFILE: ("/api/user/profile", "/api/auth/me"),
    Family.CART: ("/api/cart",),
    Family.WISHLIST: ("/api/wishlist", "/api/user/wishlist"),
    Family.GUEST_CART: ("/api/cart",),
    Family.GUEST_WISHLIST: ("/api/wishlist",),
}
_ACCESS_DOOR: Final = "/api/user/balance"
_ROUND: Final = 1000  # requests, of which these are
_LIST_SHARE: Final = 70
_SLUGS: Final = 60
_COLD: Final = 40
_NOBODY: Final = 20
_SLOTS: Final = 60
_PERSONS: Final = 150
_HOT_PERSONAL: Final = 12  # keys that get half of them


def path_of(family: Family) -> int:
    """Return the place of the question for this family in `PATHS`."""
    return PATHS.index(family)


def is_personal(path: int) -> bool:
    """Test whether the question was for what is one person's."""
    return path in _PERSONAL


class Request(NamedTuple):
    """One request, ready to be sent."""

    text: bytes
    """Empty when it is for access, and has to be made each time."""

    path: int
    key: int
    """The number of what is asked for, -1 for a list."""


def make_round(dice: Random, sign_ins: SignIns | None) -> list[Request]:
    """
    Return a thousand requests in a random order, in the shares that a shop could see.

    Without tokens that the shop takes, nothing is asked of what is one person's.
    """
    hot = [key for key in GAMES if key.hot]
    cold = [key for key in GAMES if not key.hot and key.kind is Kind.BULK]
    strangers = [key for key in GAMES if key.kind is Kind.NOBODY]
    slots = [key for key in GAMES if key.kind is Kind.SLOT]
    asked = [
        *(_by_slug(dice.choice(hot)) for _ in range(_SLUGS)),
        *(_by_id(dice.choice(cold)) for _ in range(_COLD)),
        *(_by_id(dice.choice(strangers)) for _ in range(_NOBODY)),
        *(_by_id(dice.choice(slots)) for _ in range(_SLOTS)),
        *_lists(dice),
        *(_personal(dice, sign_ins) if sign_ins else ()),
    ]
    asked += [_by_id(dice.choice(hot)) for _ in range(_ROUND - len(asked))]
    dice.shuffle(asked)
    return asked


def ask_access(sign_ins: SignIns, owner: int, version: int) -> bytes:
    """Return a request that only a sign-in that is still good may make."""
    return _get(_ACCESS_DOOR, f"Authorization: Bearer {sign_ins.sign(owner, version)}")


def _personal(dice: Random, sign_ins: SignIns) -> Iterator[Request]:
    possible = [
        key for key in PERSONAL if key.family is Family.ACCESS or key.owner not in SIGNED_OUT
    ]
    hot = dice.sample(possible, _HOT_PERSONAL)
    for _ in range(_PERSONS):
        key = dice.choice(hot if dice.random() < 0.5 else possible)
        yield Request(_ask(dice, sign_ins, key), path_of(key.family), key.number)


def _ask(dice: Random, sign_ins: SignIns, key: Key) -> bytes:
    """Return the request for the key; none for access, whose token is another each time."""
    if key.family is Family.ACCESS:
        return b""
    if key.comes_and_goes:
        who = f"Cookie: sessionId={session_of(key.owner)}"
    else:
        who = f"Authorization: Bearer {sign_ins.sign(key.owner, ALWAYS)}"
    return _get(dice.choice(_PERSONAL_DOORS[key.family]), who)


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
