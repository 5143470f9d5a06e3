"""What readers ask for, and how often."""

from random import Random
from typing import Final, NamedTuple

from tests.consistency.keys import GAMES, Family, Key, Kind

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
_ROUND: Final = 1000  # requests, of which these are
_LIST_SHARE: Final = 70
_SLUGS: Final = 60
_COLD: Final = 40
_NOBODY: Final = 20
_SLOTS: Final = 60


def path_of(family: Family) -> int:
    """Return the place of the question for this family in `PATHS`."""
    return PATHS.index(family)


def is_personal(path: int) -> bool:
    """Test whether the question was for what is one person's."""
    return path in _PERSONAL


class Request(NamedTuple):
    """One request, ready to be sent."""

    text: bytes
    path: int
    key: int
    """The number of the game that is asked for, -1 for a list."""


def make_round(dice: Random) -> list[Request]:
    """Return a thousand requests in a random order, in the shares that a shop could see."""
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
    ]
    asked += [_by_id(dice.choice(hot)) for _ in range(_ROUND - len(asked))]
    dice.shuffle(asked)
    return asked


def _lists(dice: Random) -> list[Request]:
    names = list(_LISTS)
    chosen = dice.choices(names, weights=[_LISTS[name][1] for name in names], k=_LIST_SHARE)
    return [Request(_get(_LISTS[name][0]), PATHS.index(name), -1) for name in chosen]


def _by_id(key: Key) -> Request:
    return Request(_get(f"/api/games/{key.id}"), _GAME, key.number)


def _by_slug(key: Key) -> Request:
    return Request(_get(f"/api/games/slug/{key.slug}"), _SLUG, key.number)


def _get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: shop\r\nAccept: application/json\r\n\r\n".encode()
