"""Random sequences of visitors' actions, compared with a model made of dictionaries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random

import pytest

from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.migrate import migrate_baskets, migrate_part
from keyshop.baskets.models import Migration, MigrationOutcome, Part, Visitor
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.settings import BasketLimits, BasketSettings
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_wishlist
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from keyshop.kit.secrets import Secret
from tests.factories.baskets import NO_CACHE, change_game, data_of, make_user
from tests.factories.games import NOON, make_game

LIMITS = BasketLimits(max_quantity=6, max_lines=4, max_wishes=4)
BASKETS = BasketSettings(limits=LIMITS, session_secret=Secret("s" * 32))


class Baskets:
    """A visitor's games, and when each was added."""

    def __init__(self) -> None:
        self.cart: dict[str, tuple[int, datetime]] = {}
        self.wishes: dict[str, datetime] = {}

    @property
    def quantities(self) -> dict[str, int]:
        """The quantity of each game, the newest first."""
        order = sorted(self.cart, key=lambda game: self.cart[game][1], reverse=True)
        return {game: self.cart[game][0] for game in order}

    @property
    def wished(self) -> list[str]:
        """The wishes, the newest first."""
        return sorted(self.wishes, key=lambda game: self.wishes[game], reverse=True)

    def take_cart(self, other: "Baskets", in_stock: set[str]) -> set[str]:
        """Move what can be moved from a guest's cart; return what stays behind."""
        kept = set()
        for game in other.quantities:
            quantity, added = other.cart[game]
            if game not in in_stock or (game not in self.cart and len(self.cart) >= 4):
                kept.add(game)
                continue
            had, since = self.cart.get(game, (0, added))
            self.cart[game] = (min(6, had + quantity), max(since, added))
            del other.cart[game]
        return kept

    def take_wishes(self, other: "Baskets") -> set[str]:
        """Move what can be moved from a guest's wishlist; return what stays behind."""
        kept = set()
        for game in other.wished:
            if game not in self.wishes and len(self.wishes) >= 4:
                kept.add(game)
                continue
            self.wishes.setdefault(game, other.wishes[game])
            del other.wishes[game]
        return kept


class Play:
    """Applies the same actions to the shop and to the dictionaries."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db = db
        self.random = Random(seed)
        self.now = NOON
        self.games: list[str] = []
        self.in_stock: set[str] = set()
        self.users: dict[str, Baskets] = {}
        self.cookies: list[str | None] = [None, None]
        self.guests = [Baskets(), Baskets()]

    async def open(self) -> None:
        """Create games and customers."""
        self.games = [await make_game(self.db, title=f"Game {n}") for n in range(7)]
        self.in_stock = set(self.games)
        for _ in range(2):
            user = await make_user(self.db)
            assert user.user_id is not None
            self.users[user.user_id] = Baskets()

    async def step(self) -> None:
        """Apply one random action to both."""
        self.now += timedelta(seconds=1)
        often = [self.add, self.wish, self.migrate] * 2
        seldom = [self.add, self.set, self.remove, self.clear, self.unwish, self.restock]
        act = self.random.choice([*often, *seldom, self.migrate_part])
        await act()

    def pick_visitor(self) -> tuple[Visitor, Baskets, int | None]:
        """Return a random visitor, their baskets, and the guest's number."""
        if self.random.random() < 0.3:
            user_id = self.random.choice(list(self.users))
            return Visitor(user_id=user_id), self.users[user_id], None
        number = self.random.randrange(2)
        return Visitor(session_id=self.cookies[number]), self.guests[number], number

    def keep(self, number: int | None, cookie: str | None) -> None:
        """Store the cookie as a browser does."""
        if number is not None and cookie is not None:
            self.cookies[number] = cookie

    @asynccontextmanager
    async def refused(self, *, when: bool) -> AsyncIterator[None]:
        """Check that the block is refused exactly when it should be."""
        try:
            yield
        except ShopError:
            assert when
        else:
            assert not when

    async def add(self) -> None:
        visitor, has, number = self.pick_visitor()
        game, quantity = self.random.choice(self.games), self.random.randint(0, 4)
        had, since = has.cart.get(game, (0, self.now))
        bad = (
            quantity == 0
            or game not in self.in_stock
            or had + quantity > 6
            or (game not in has.cart and len(has.cart) >= 4)
        )
        async with self.refused(when=bad):
            cookie = await add_to_cart(
                self.db, visitor, game, quantity, limits=LIMITS, now=self.now
            )
            self.keep(number, cookie)
            has.cart[game] = (had + quantity, since)

    async def set(self) -> None:
        visitor, has, number = self.pick_visitor()
        game, quantity = self.random.choice(self.games), self.random.randint(-1, 7)
        had, since = has.cart.get(game, (0, self.now))
        bad = quantity > 0 and (
            quantity > 6 or had == 0 or (quantity > had and game not in self.in_stock)
        )
        async with self.refused(when=bad):
            cookie = await set_quantity(
                self.db, visitor, game, quantity, limits=LIMITS, now=self.now
            )
            self.keep(number, cookie)
            has.cart[game] = (quantity, since)
            if quantity <= 0:
                del has.cart[game]

    async def remove(self) -> None:
        visitor, has, number = self.pick_visitor()
        game = self.random.choice(self.games)
        self.keep(number, await remove_from_cart(self.db, visitor, game, now=self.now))
        has.cart.pop(game, None)

    async def clear(self) -> None:
        if self.random.random() < 0.7:
            return
        visitor, has, number = self.pick_visitor()
        self.keep(number, await clear_cart(self.db, visitor, now=self.now))
        has.cart.clear()

    async def wish(self) -> None:
        visitor, has, number = self.pick_visitor()
        game = self.random.choice(self.games)
        bad = game not in has.wishes and len(has.wishes) >= 4
        async with self.refused(when=bad):
            cookie = await add_wish(self.db, visitor, game, limits=LIMITS, now=self.now)
            self.keep(number, cookie)
            has.wishes.setdefault(game, self.now)

    async def unwish(self) -> None:
        visitor, has, number = self.pick_visitor()
        game = self.random.choice(self.games)
        self.keep(number, await remove_wish(self.db, visitor, game, now=self.now))
        has.wishes.pop(game, None)

    async def restock(self) -> None:
        game = self.random.choice(self.games)
        self.in_stock ^= {game}
        await change_game(self.db, game, '"inStock" = NOT "inStock"')

    async def migrate(self) -> None:
        user_id, number = self.random.choice(list(self.users)), self.random.randrange(2)
        guest, cookie = self.guests[number], self.cookies[number]
        something = bool(guest.cart or guest.wishes)
        kept = (
            self.users[user_id].take_cart(guest, self.in_stock),
            self.users[user_id].take_wishes(guest),
        )
        async with self.db.transaction() as tx:
            migration = await migrate_baskets(
                tx,
                BASKETS,
                user_id=user_id,
                session_id=cookie,
                now=self.now,
            )
        assert (migration is not None) == something
        if migration is not None:
            assert kept_of(migration) == kept
            assert migration.remaining_session_id != cookie
            self.cookies[number] = migration.remaining_session_id

    async def migrate_part(self) -> None:
        user_id, number = self.random.choice(list(self.users)), self.random.randrange(2)
        guest, user = self.guests[number], self.users[user_id]
        of_cart = self.random.random() < 0.5
        something = bool(guest.cart if of_cart else guest.wishes)
        cart = user.take_cart(guest, self.in_stock) if of_cart else set()
        wishes = set() if of_cart else user.take_wishes(guest)
        migration = await migrate_part(
            self.db,
            BASKETS,
            Part.CART if of_cart else Part.WISHLIST,
            user_id=user_id,
            session_id=self.cookies[number],
            now=self.now,
        )
        assert (migration is not None) == something
        if migration is not None:
            assert kept_of(migration) == (cart, wishes)
            self.cookies[number] = migration.remaining_session_id

    async def compare(self) -> None:
        """Check that each visitor has the lines of the dictionaries, in their order."""
        for user_id, has in self.users.items():
            await self._compare(Visitor(user_id=user_id), has)
        for cookie, has in zip(self.cookies, self.guests, strict=True):
            await self._compare(Visitor(session_id=cookie), has)

    async def _compare(self, visitor: Visitor, has: Baskets) -> None:
        cart = await data_of(show_cart(self.db, NO_CACHE, visitor, now=self.now))
        wishlist = await data_of(show_wishlist(self.db, NO_CACHE, visitor, now=self.now))
        shown = {line["gameId"]: line["quantity"] for line in cart["items"]}
        assert list(shown.items()) == list(has.quantities.items())
        assert [wish["gameId"] for wish in wishlist["items"]] == has.wished
        for line in cart["items"]:
            assert line["game"]["inStock"] == (line["gameId"] in self.in_stock)


def kept_of(migration: Migration) -> tuple[set[str], set[str]]:
    """Return the lines of cart and wishlist that stayed behind, as reported."""
    cart, wishes = (
        {line.game_id for line in lines if line.outcome is MigrationOutcome.KEPT}
        for lines in (migration.report.cart, migration.report.wishlist)
    )
    return cart, wishes


class TestAnySequence:
    @pytest.mark.parametrize(
        "seed", [*range(4), *(pytest.param(s, marks=pytest.mark.slow) for s in range(4, 60))]
    )
    async def test_gives_each_visitor_the_expected_baskets(self, db: Database, seed: int):
        play = Play(db, seed)
        await play.open()

        for _ in range(100):
            await play.step()
            await play.compare()
