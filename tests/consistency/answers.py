"""Reads the owner and the version out of personal data, and the versions of the games in them."""

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
from tests.consistency.keys import ABSENT, BUYERS, GAME_OF, NUMBER_OF, OF_ORDERS, Family, Key, Kind
from tests.consistency.orders import FINAL, read_orders
from tests.consistency.records import Answer
from tests.consistency.wallets import Entry, read_balance, read_ledger

_NO_KEY: Final = -1
UNTRUE: Final = 1 << 30
"""A version that was never written; it stands for an answer that contradicts itself."""


class AnswerContent(NamedTuple):
    """Owners and versions in an answer."""

    owners: set[int]
    """The persons whose data it shows; empty when it shows no watched person's."""

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


class _Statistics(Struct, frozen=True, rename="camel"):
    games_purchased: int = 0


class _Profile(Struct):
    id: str
    nickname: str
    balance: Decimal
    stats: _Statistics = _Statistics()


class _ProfileAnswer(Struct):
    data: _Profile


class _Balance(Struct):
    balance: Decimal


class _BalanceAnswer(Struct):
    data: _Balance


class _LedgerAnswer(Struct):
    data: list[Entry]


class _Access(Struct):
    families: list[str]


_BASKET: Final = msgspec.json.Decoder(_BasketAnswer)
_PROFILE: Final = msgspec.json.Decoder(_ProfileAnswer)
_ACCESS: Final = msgspec.json.Decoder(_Access)
_BALANCE: Final = msgspec.json.Decoder(_BalanceAnswer)
_LEDGER: Final = msgspec.json.Decoder(_LedgerAnswer)


class Observation(NamedTuple):
    """One thing that an answer shows."""

    answer: Answer
    key: int
    version: int


def observe(key: Key, body: bytes) -> list[Observation]:
    """
    Return what the answer to a request for this key shows, the key itself first.

    Raises:
        msgspec.MsgspecError: the answer has another form.
    """
    content = read_answer(key, body)
    others = content.owners - {key.owner}
    if others:
        return [Observation(Answer.ANOTHERS, key.number, min(others))]
    if content.version == FINAL:
        return [Observation(Answer.SHOWN, _NO_KEY, content.version)]
    shown = [(key.number, content.version), *content.games]
    return [Observation(Answer.SHOWN, number, version) for number, version in shown]


def read_answer(key: Key, body: bytes) -> AnswerContent:
    """
    Return owners and versions in the answer to a request for this key.

    Raises:
        msgspec.MsgspecError: the answer has another form.
    """
    if key.kind in BUYERS:
        return _read_buyer(key, body)
    if key.family is Family.PROFILE:
        return _read_profile(_PROFILE.decode(body).data)
    if key.family is Family.ACCESS:
        return _read_access(_ACCESS.decode(body))
    data = _BASKET.decode(body).data
    return _read_basket(key, data.items if isinstance(data, _Basket) else data)


def _read_buyer(key: Key, body: bytes) -> AnswerContent:
    owners: set[int] = set()
    if key.family in OF_ORDERS:
        shown = read_orders(key, body)
    elif key.family is Family.TRANSACTIONS:
        shown = read_ledger(key.kind, _LEDGER.decode(body).data)
    elif key.family is Family.BALANCE:
        shown = read_balance(key.kind, _BALANCE.decode(body).data.balance)
    else:
        profile = _PROFILE.decode(body).data
        shown = read_balance(key.kind, profile.balance, games=profile.stats.games_purchased)
        owner = owner_of_user(profile.id)
        owners = set() if owner is None else {owner}
    owners |= shown.owners
    return AnswerContent(owners, UNTRUE if shown.version is None else shown.version, [])


def _read_profile(profile: _Profile) -> AnswerContent:
    named = read_nickname(profile.nickname)
    owner = owner_of_user(profile.id)
    if named is None or owner is None:
        return AnswerContent(set(), ABSENT, [])
    return AnswerContent({owner, named[0]}, named[1] + int(profile.balance * 100), [])


def _read_access(access: _Access) -> AnswerContent:
    families = [found for found in map(read_token_family, access.families) if found]
    # The oldest one: a sign-in that should have ended is older than the others.
    return AnswerContent(
        {owner for owner, _ in families},
        min((version for _, version in families), default=ABSENT),
        [],
    )


def _read_basket(key: Key, lines: list[_Line]) -> AnswerContent:
    owners = {owner for line in lines if (owner := owner_of_mark(line.game_id)) is not None}
    is_cart = key.family in {Family.CART, Family.GUEST_CART}
    held = {line.game_id: line.quantity for line in lines}
    count = count_of_lines(held) if is_cart else count_of_wishes(held)
    return AnswerContent(owners, count * key.scale if owners else ABSENT, list(_games(lines)))


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
