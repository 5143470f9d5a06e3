"""A kill of the shop's process never loses, doubles or mixes up lines of baskets."""

import asyncio
import multiprocessing
from collections import Counter
from multiprocessing.connection import Connection
from random import Random

import asyncpg
import pytest

from keyshop.accounts.errors import EmailTaken
from keyshop.accounts.models import ClientInfo
from keyshop.baskets.change_cart import add_to_cart
from keyshop.baskets.models import Visitor
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from tests.chaos.shopper import (
    BASKETS,
    Acknowledged,
    Committed,
    Started,
    enter_and_stop,
    register_at,
    shop_until_killed,
    sign_in_at,
)
from tests.factories.cached_shop import until
from tests.factories.customers import carts
from tests.factories.games import make_game

# Forked from a process that has imported everything and has no threads.
_CONTEXT = multiprocessing.get_context("forkserver")

_STORED = """
    SELECT 'cart' AS kind, "gameId" AS game, sum(quantity) AS number FROM (
        SELECT "gameId", quantity FROM cart_items
        UNION ALL SELECT game_id, quantity FROM keyshop.guest_cart_items
    ) AS lines GROUP BY "gameId"
    UNION ALL
    SELECT 'wishlist', "gameId", count(*) FROM (
        SELECT "gameId" FROM wishlist UNION ALL SELECT game_id FROM keyshop.guest_wishlist_items
    ) AS wishes GROUP BY "gameId"
"""
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
"""
# Every line has an owner; this checks that the foreign keys enforce it.
_ORPHANS = """
    SELECT (SELECT count(*) FROM keyshop.guest_cart_items AS i
            WHERE NOT EXISTS (SELECT FROM sessions WHERE "sessionId" = i.session_id))
        + (SELECT count(*) FROM cart_items AS i
            WHERE NOT EXISTS (SELECT FROM users WHERE id = i."userId"))
"""
# Each process has its own games; slugs and e-mail addresses begin with the same seed.
_MIXED_UP = """
    SELECT count(*) FROM (
        SELECT "userId", "gameId" FROM cart_items UNION ALL SELECT "userId", "gameId" FROM wishlist
    ) AS i JOIN users AS u ON u.id = "userId" JOIN games AS g ON g.id = "gameId"
    WHERE split_part(email, '-', 1) <> split_part(slug, '-', 1)
"""

Count = Counter[tuple[str, str]]


class Ledger:
    """The acknowledged additions, and the one that may have happened."""

    def __init__(self) -> None:
        self.acknowledged: Count = Counter()
        self.started: Started | None = None

    def note(self, messages: object) -> None:
        """Record a message of a shopper."""
        if isinstance(messages, Started):
            self.started = messages
        elif isinstance(messages, Acknowledged) and self.started is not None:
            self.acknowledged[self.started.kind, self.started.game] += self.started.number
            self.started = None

    def check(self, stored: Count) -> None:
        """Check the stored lines; the last addition happened completely or not at all."""
        started, self.started = self.started, None
        if started is not None and stored != self.acknowledged:
            self.acknowledged[started.kind, started.game] += started.number
        assert stored == self.acknowledged


def kill_a_shopper(url: str, games: list[str], seed: int, ledger: Ledger) -> None:
    """Kill a shopping process after a random time, and read its last messages."""
    random = Random(seed)
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    shopper = _CONTEXT.Process(target=shop_until_killed, args=(url, games, seed, theirs))
    shopper.start()
    theirs.close()
    for _ in range(random.randint(1, 60)):
        assert ours.poll(30), "The shopper is idle."
        ledger.note(ours.recv())
    # During the next action, or the one after it.
    shopper.join(random.uniform(0, 0.02))
    shopper.kill()
    shopper.join()
    read_last_messages(ours, ledger)


def read_last_messages(messages: Connection, ledger: Ledger) -> None:
    try:
        while True:
            ledger.note(messages.recv())
    except (EOFError, OSError):
        messages.close()


async def count_stored(connection: "asyncpg.Connection[asyncpg.Record]") -> Count:
    """Count the stored lines once PostgreSQL has noticed that the process is gone."""

    async def is_alone() -> bool:
        return not await connection.fetchval(_OTHERS)

    await until(is_alone, seconds=30)
    assert await connection.fetchval(_ORPHANS) == 0
    assert await connection.fetchval(_MIXED_UP) == 0
    return Counter(
        {(row["kind"], row["game"]): int(row["number"]) for row in await connection.fetch(_STORED)}
    )


def kill_after_commit(url: str, verb: str, email: str, session_id: str) -> None:
    """Kill a process between the commit of a registration or sign-in and the migration of the basket."""
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=enter_and_stop, args=(url, verb, email, session_id, theirs))
    process.start()
    theirs.close()
    assert ours.poll(30), "Nothing was committed."
    assert isinstance(ours.recv(), Committed)
    process.kill()
    process.join()
    ours.close()


class TestKillBetweenTheCommits:
    @pytest.mark.parametrize("verb", ["register", "sign in"])
    async def test_leaves_the_basket_to_the_next_sign_in_which_moves_it_once(
        self, db: Database, database_url: str, verb: str
    ):
        email = f"{new_id()}@example.com"
        if verb == "sign in":
            await register_at(db, email, ClientInfo(address="192.0.2.2"))
        game_id = await make_game(db)
        session_id = await add_to_cart(
            db, Visitor(), game_id, 3, limits=BASKETS.limits, now=utc_now()
        )
        assert session_id is not None
        client_info = ClientInfo(address="192.0.2.1", session_id=session_id)

        await asyncio.to_thread(kill_after_commit, database_url, verb, email, session_id)

        assert await carts(db) == {session_id: {game_id: 3}}
        with pytest.raises(EmailTaken):
            await register_at(db, email, client_info)
        assert await carts(db) == {session_id: {game_id: 3}}

        again = await sign_in_at(db, email, client_info)
        assert again.migration is not None
        assert (await sign_in_at(db, email, client_info)).migration is None
        assert await carts(db) == {again.account.id: {game_id: 3}}


class TestKilledShop:
    @pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.slow)])
    async def test_loses_no_line_and_doubles_none(
        self, db: Database, database_url: str, kills: int
    ):
        games = [
            [await make_game(db, slug=f"{seed}-{number}") for number in range(4)]
            for seed in range(kills)
        ]
        await db.close()
        _CONTEXT.set_forkserver_preload(["tests.chaos.shopper"])
        ledger = Ledger()
        connection = await asyncpg.connect(database_url)

        for seed in range(kills):
            kill_a_shopper(database_url, games[seed], seed, ledger)
            ledger.check(await count_stored(connection))

        users = await connection.fetchval("SELECT count(*) FROM users")
        moved = await connection.fetchval("SELECT count(*) FROM cart_items")
        await connection.close()
        assert users > kills / 4
        assert moved > users
