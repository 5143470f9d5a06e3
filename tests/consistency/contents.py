"""
How personal data show their owner and their version.

A basket encodes its number of changes as a Gray code, so that one operation of the shop makes the next
version: the digits are the quantities of some games in the cart, or their presence in the wishlist.
One more line is the owner's mark: a game that only this person has.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

from tests.consistency.keys import GAME_OF, GAMES, Kind

CART_GAMES: Final = ("chk-foreign0", "chk-foreign1", "chk-shop0", "chk-shop1")
WISHED_GAMES: Final = tuple(
    [key.id for key in GAMES if key.kind in {Kind.FOREIGN, Kind.SHOP} and key.hot][:14]
)
TITLED_GAME: Final = next(key.id for key in GAMES if key.kind is Kind.TITLE)
"""Stands in every customer's basket, sometimes in stock and sometimes not."""

SOLD_GAME: Final = "chk-sold"
"""The game whose keys are ordered."""

ALWAYS: Final = 0
"""The version of a sign-in that never ends."""

_CART_BASE: Final = 8
_MARK: Final = re.compile(r"chk-own(\d+)")
_USER: Final = re.compile(r"chk-person(\d+)")
_NICKNAME: Final = re.compile(r"chk(\d+)\.(\d+)")
_TOKEN_FAMILY: Final = re.compile(r"chk-(\d+)-(\d+)")
_TITLE: Final = re.compile(r"Watched title (\d+)")
_SESSION_LENGTH: Final = 32


def user_of(owner: int) -> str:
    """Return the customer's id."""
    return f"chk-person{owner}"


def owner_of_user(user_id: str) -> int | None:
    """Return the owner of the account with this id; None for an account that is not watched."""
    found = _USER.fullmatch(user_id)
    return int(found[1]) if found else None


def order_of(owner: int) -> str:
    """Return the id of the only order that a foreign program places for the customer."""
    return f"chk-order{owner}"


def session_of(owner: int) -> str:
    """Return the id in the guest's cookie, as long as one of the shop's own."""
    return f"chk-guest{owner}-".ljust(_SESSION_LENGTH, "x")


def mark_of(owner: int) -> str:
    """Return the game that only this person has."""
    return f"chk-own{owner}"


def owner_of_mark(game_id: str) -> int | None:
    """Return the person whose mark the game is; None when it is no mark."""
    found = _MARK.fullmatch(game_id)
    return int(found[1]) if found else None


def lines_of(count: int) -> dict[str, int]:
    """Return a cart's lines after so many changes, apart from the mark."""
    digits = _digits(count, base=_CART_BASE, places=len(CART_GAMES))
    return {game: digit for game, digit in zip(CART_GAMES, digits, strict=True) if digit}


def count_of_lines(lines: Mapping[str, int]) -> int:
    """Return how many changes made these lines; other lines do not count."""
    return _count([lines.get(game, 0) for game in CART_GAMES], base=_CART_BASE)


def wishes_of(count: int) -> dict[str, int]:
    """Return what is wished after so many changes, apart from the mark, each once."""
    digits = _digits(count, base=2, places=len(WISHED_GAMES))
    return {game: digit for game, digit in zip(WISHED_GAMES, digits, strict=True) if digit}


def count_of_wishes(wished: Collection[str]) -> int:
    """Return how many changes made this wishlist; other games do not count."""
    return _count([int(game in wished) for game in WISHED_GAMES], base=2)


def nickname_of(owner: int, number: int) -> str:
    """Return a nickname that contains its owner and a number."""
    return f"chk{owner}.{number}"


def read_nickname(nickname: str) -> tuple[int, int] | None:
    """Return owner and number of a nickname; None when the checker did not make it."""
    return _read(_NICKNAME, nickname)


def token_family_of(owner: int, version: int) -> str:
    """Return the id of the only sign-in that is valid at the version."""
    return f"chk-{owner}-{version}"


def read_token_family(family_id: str) -> tuple[int, int] | None:
    """Return owner and version of a sign-in; None when the checker did not make it."""
    return _read(_TOKEN_FAMILY, family_id)


def title_of(version: int) -> str:
    """Return the title that contains the version."""
    return f"Watched title {version}"


def is_stocked(version: int) -> bool:
    """Test whether such a game is in stock."""
    return version % 2 == 0


def version_of_title(game_id: str, title: str, *, in_stock: bool) -> int | None:
    """Return the version that title and stock encode; None when they contradict each other."""
    found = _TITLE.fullmatch(title)
    if found is None or game_id not in GAME_OF or is_stocked(int(found[1])) != in_stock:
        return None
    return int(found[1])


def _read(form: re.Pattern[str], text: str) -> tuple[int, int] | None:
    found = form.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def _digits(count: int, *, base: int, places: int) -> list[int]:
    """Return the digits of a reflected Gray code of an even base, the highest first."""
    digits = []
    for place in reversed(range(places)):
        higher, digit = divmod(count // base**place, base)
        digits.append(base - 1 - digit if higher % 2 else digit)
    return digits


def _count(digits: Collection[int], *, base: int) -> int:
    count = 0
    for digit in digits:
        count = count * base + (base - 1 - digit if count % 2 else digit)
    return count
