"""Parallel writes lose nothing, exceed no limit and never deadlock."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from random import Random

import pytest

from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.delete_expired_sessions import delete_expired_sessions
from keyshop.baskets.errors import BadQuantity, BasketFull
from keyshop.baskets.migrate import migrate_part
from keyshop.baskets.models import Part, Visitor
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.settings import BasketLimits
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import ShopError
from tests.factories.baskets import (
    BASKETS,
    LIMITS,
    NEW_VISITOR,
    cart_of,
    count_rows,
    make_guest,
    make_user,
    wishes_of,
)
from tests.factories.games import NOON, make_game
from tests.keyshop.baskets.test_migration import sign_in

Act = Callable[[], Awaitable[object]]

_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def refusals(attempts: list[Awaitable[object]]) -> list[BaseException]:
    """Make all attempts in parallel and return the errors."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    return [result for result in results if isinstance(result, BaseException)]


class TestParallelAdditions:
    async def test_of_one_game_add_up(self, db: Database, visitor: Visitor, games: list[str]):
        refused = await refusals(
            [add_to_cart(db, visitor, games[0], 1, limits=LIMITS, now=NOON) for _ in range(20)]
        )

        assert refused == []
        assert await cart_of(db, visitor) == {games[0]: 20}

    async def test_never_exceed_the_maximum_quantity_of_a_game(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        refused = await refusals(
            [add_to_cart(db, visitor, games[0], 7, limits=LIMITS, now=NOON) for _ in range(20)]
        )

        assert [type(error) for error in refused] == [BadQuantity] * 6
        assert await cart_of(db, visitor) == {games[0]: 98}

    async def test_never_exceed_the_maximum_number_of_games(self, db: Database, visitor: Visitor):
        many = [await make_game(db, title=f"Game {number}") for number in range(110)]

        refused = await refusals(
            [add_to_cart(db, visitor, game, 1, limits=LIMITS, now=NOON) for game in many]
        )

        assert [type(error) for error in refused] == [BasketFull] * 10
        assert len(await cart_of(db, visitor)) == 100

    async def test_never_exceed_the_maximum_number_of_wishes(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        limits = BasketLimits(max_wishes=4)

        refused = await refusals(
            [add_wish(db, visitor, game, limits=limits, now=NOON) for game in games * 3]
        )

        assert {type(error) for error in refused} == {BasketFull}
        assert len(await wishes_of(db, visitor)) == 4

    async def test_of_a_guest_without_a_session_make_one_each(self, db: Database, games: list[str]):
        # None of them sees another; the browser keeps the last cookie.
        cookies = await asyncio.gather(
            *(add_to_cart(db, NEW_VISITOR, games[0], 1, limits=LIMITS, now=NOON) for _ in range(20))
        )

        assert len(set(cookies)) == (await count_rows(db))["sessions"] == 20
        for cookie in cookies:
            assert await cart_of(db, Visitor(session_id=cookie)) == {games[0]: 1}


class World:
    """Visitors and games, and random actions that may run in parallel."""

    def __init__(
        self, db: Database, random: Random, users: list[Visitor], guests: list[Visitor]
    ) -> None:
        self.db = db
        self.random = random
        self.users = users
        self.guests = guests
        self.games: list[str] = []
        self.forgotten = 0

    async def act(self) -> None:
        """Do a random action; a refusal is no error."""
        visitor = self.random.choice(self.users + self.guests)
        acts = [*self._of_visitor(visitor, self.random.choice(self.games))] * 2
        acts += self._of_user(self.random.choice(self.users), self.random.choice(self.guests))
        acts += [self.change_games, self.forget]
        try:
            await self.random.choice(acts)()
        except ShopError:
            return

    def _of_visitor(self, visitor: Visitor, game: str) -> list[Act]:
        db = self.db
        return [
            partial(add_to_cart, db, visitor, game, 1, limits=LIMITS, now=NOON),
            partial(set_quantity, db, visitor, game, 3, limits=LIMITS, now=NOON),
            partial(remove_from_cart, db, visitor, game, now=NOON),
            partial(clear_cart, db, visitor, now=NOON),
            partial(add_wish, db, visitor, game, limits=LIMITS, now=NOON),
            partial(remove_wish, db, visitor, game, now=NOON),
        ]

    def _of_user(self, user: Visitor, guest: Visitor) -> list[Act]:
        assert user.user_id is not None
        parts = [
            partial(
                migrate_part,
                self.db,
                BASKETS,
                part,
                user_id=user.user_id,
                session_id=guest.session_id,
                now=NOON,
            )
            for part in Part
        ]
        return [
            *parts,
            partial(self.come_back, guest),
            partial(sign_in, self.db, user, guest),
            partial(self.spend, user.user_id),
        ]

    async def come_back(self, guest: Visitor) -> None:
        """Use the session of a guest again that a migration has ended."""
        assert guest.session_id is not None
        async with self.db.transaction() as tx:
            await tx.execute(
                'INSERT INTO sessions (id, "sessionId", data, "expiresAt") VALUES ($1, $1, $2, $3)'
                " ON CONFLICT DO NOTHING",
                guest.session_id,
                "{}",
                NOON,
            )

    async def change_games(self) -> None:
        """Change several games with their slugs in one transaction, as a sync does."""
        some = self.random.sample(self.games, 3)

        async def change(tx: Transaction) -> None:
            await tx.fetch("SELECT FROM games WHERE id = ANY($1) ORDER BY id FOR UPDATE", some)
            await tx.execute(
                "UPDATE games SET price = 1, slug = reverse(slug) WHERE id = ANY($1)", some
            )

        await self.db.run(change, attempts=3)

    async def spend(self, user_id: str) -> None:
        """Change a balance, as an order does."""
        async with self.db.transaction() as tx:
            await tx.fetchrow("SELECT balance FROM users WHERE id = $1 FOR UPDATE", user_id)
            await tx.execute("UPDATE users SET balance = balance + 1 WHERE id = $1", user_id)

    async def forget(self) -> None:
        """Delete two guests' sessions, as if they had been away for two days."""
        later = NOON + timedelta(days=2)
        self.forgotten += await self.db.run(
            lambda tx: delete_expired_sessions(tx, now=later, limit=2), attempts=5
        )

    async def delete_games(self) -> None:
        """Delete several games in one transaction, and insert others."""
        some = self.random.sample(self.games, 2)

        async def delete(tx: Transaction) -> None:
            for game in some:
                await tx.execute("DELETE FROM games WHERE id = $1", game)

        await self.db.run(delete, attempts=20)
        for game in some:
            if game in self.games:
                self.games[self.games.index(game)] = await make_game(self.db, slug=game)


async def make_world(db: Database, seed: int) -> World:
    world = World(
        db,
        Random(seed),
        [await make_user(db) for _ in range(3)],
        [await make_guest(db) for _ in range(3)],
    )
    world.games = [await make_game(db, title=f"Game {number}") for number in range(6)]
    return world


async def deadlocks(db: Database) -> int:
    async with db.read() as reader:
        await reader.fetchval("SELECT pg_stat_force_next_flush()")
        return int(await reader.fetchval(_DEADLOCKS))


class TestParallelWork:
    @pytest.mark.parametrize(
        ("seed", "acts"), [(1, 400), pytest.param(2, 10_000, marks=pytest.mark.slow)]
    )
    async def test_never_deadlocks(self, db: Database, seed: int, acts: int):
        world = await make_world(db, seed)
        before = await deadlocks(db)

        async def live() -> None:
            for _ in range(acts // 20):
                await world.act()

        failed = await refusals([live() for _ in range(20)])

        assert failed == []
        assert await deadlocks(db) == before
        assert world.forgotten > 0

    async def test_succeeds_while_games_are_deleted(self, db: Database):
        world = await make_world(db, seed=3)
        living = True

        async def delete() -> None:
            while living:
                await world.delete_games()

        async def live() -> None:
            for _ in range(25):
                await world.act()

        deleting = asyncio.create_task(delete())
        failed = await refusals([live() for _ in range(15)])
        living = False
        await deleting

        assert failed == []
        assert world.forgotten > 0
