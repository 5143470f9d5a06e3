"""Reads out of an answer that is one person's whose it is, its version, and those of games in it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from tests.consistency.contents import (
    count_of_lines,
    count_of_wishes,
    owner_of_mark,
    owner_of_user,
    read_nickname,
    read_token_family,
    version_of_title,
)
from tests.consistency.keys import ABSENT, GAME_OF, NUMBER_OF, Family, Key, Kind
from tests.consistency.records import Answer

UNTRUE: Final = 1 << 30
"""A version that was never written, of what contradicts itself."""


class Told(NamedTuple):
    """What an answer says."""

    owners: set[int]
    """Of whom it speaks; none: of nobody whom the checker knows."""

    version: int
    games: list[tuple[int, int]]
    """Number and version of each watched game."""


class _Game(Struct, rename="camel"):
    id: str
    title: str
    price: Decimal
    in_stock: bool


class _Line(Struct, rename="camel"):
    game_id: str
    game: _Game
    quantity: int = 1


class _Basket(Struct):
    items: list[_Line]


class _BasketAnswer(Struct):
    data: _Basket | list[_Line]


class _Profile(Struct):
    id: str
    nickname: str
    balance: Decimal


class _ProfileAnswer(Struct):
    data: _Profile


class _Access(Struct):
    families: list[str]


_BASKET: Final = msgspec.json.Decoder(_BasketAnswer)
_PROFILE: Final = msgspec.json.Decoder(_ProfileAnswer)
_ACCESS: Final = msgspec.json.Decoder(_Access)


class Observation(NamedTuple):
    """One thing that an answer shows."""

    answer: Answer
    key: int
    version: int


def observe(key: Key, body: bytes) -> list[Observation]:
    """
    Return what the answer to the question for this key shows, first of all of the key itself.

    Raises:
        msgspec.MsgspecError: it is no such answer.
    """
    told = read_answer(key, body)
    others = told.owners - {key.owner}
    if others:
        return [Observation(Answer.ANOTHERS, key.number, min(others))]
    shown = [(key.number, told.version), *told.games]
    return [Observation(Answer.SHOWN, number, version) for number, version in shown]


def read_answer(key: Key, body: bytes) -> Told:
    """
    Return what the answer to the question for this key says.

    Raises:
        msgspec.MsgspecError: it is no such answer.
    """
    if key.family is Family.PROFILE:
        return _read_profile(_PROFILE.decode(body).data)
    if key.family is Family.ACCESS:
        return _read_access(_ACCESS.decode(body))
    data = _BASKET.decode(body).data
    return _read_basket(key, data.items if isinstance(data, _Basket) else data)


def _read_profile(profile: _Profile) -> Told:
    told = read_nickname(profile.nickname)
    owner = owner_of_user(profile.id)
    if told is None or owner is None:
        return Told(set(), ABSENT, [])
    return Told({owner, told[0]}, told[1] + int(profile.balance * 100), [])


def _read_access(access: _Access) -> Told:
    told = [found for found in map(read_token_family, access.families) if found]
    # The oldest: with it stands or falls whether everything that ended has ended.
    return Told(
        {owner for owner, _ in told}, min((version for _, version in told), default=ABSENT), []
    )


def _read_basket(key: Key, lines: list[_Line]) -> Told:
    owners = {owner for line in lines if (owner := owner_of_mark(line.game_id)) is not None}
    is_cart = key.family in {Family.CART, Family.GUEST_CART}
    held = {line.game_id: line.quantity for line in lines}
    count = count_of_lines(held) if is_cart else count_of_wishes(held)
    return Told(owners, count * key.scale if owners else ABSENT, list(_games(lines)))


def _games(lines: list[_Line]) -> Iterator[tuple[int, int]]:
    for game in (line.game for line in lines):
        watched = GAME_OF.get(game.id)
        if watched is None:
            continue
        if watched.kind is Kind.TITLE:
            version = version_of_title(game.id, game.title, in_stock=game.in_stock)
            yield watched.number, UNTRUE if version is None else version
        elif game.id.encode() in NUMBER_OF:
            yield watched.number, int(game.price * 100)
