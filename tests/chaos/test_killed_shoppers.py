"""Whenever the shop's process is killed, no line of a basket is lost, doubled, or another's."""

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
    Begun,
    Committed,
    Done,
    enter_and_stop,
    register_at,
    shop_without_end,
    sign_in_at,
)
from tests.factories.cached_shop import until
from tests.factories.customers import carts
from tests.factories.games import make_game

# Forked from a process that has everything imported and no threads.
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
# Wherever a line is, its owner is there; foreign keys say it, and this says that they do.
_ORPHANS = """
    SELECT (SELECT count(*) FROM keyshop.guest_cart_items AS i
            WHERE NOT EXISTS (SELECT FROM sessions WHERE "sessionId" = i.session_id))
        + (SELECT count(*) FROM cart_items AS i
            WHERE NOT EXISTS (SELECT FROM users WHERE id = i."userId"))
"""
# Each process has games of its own, and customers who begin as these do.
_STRANGERS = """
    SELECT count(*) FROM (
        SELECT "userId", "gameId" FROM cart_items UNION ALL SELECT "userId", "gameId" FROM wishlist
    ) AS i JOIN users AS u ON u.id = "userId" JOIN games AS g ON g.id = "gameId"
    WHERE split_part(email, '-', 1) <> split_part(slug, '-', 1)
"""

Count = Counter[tuple[str, str]]


class Ledger:
    """What was acknowledged, and what may or may not have happened."""

    def __init__(self) -> None:
        self.acknowledged: Count = Counter()
        self.begun: Begun | None = None

    def note(self, news: object) -> None:
        """Record a message of a shopper."""
        if isinstance(news, Begun):
            self.begun = news
        elif isinstance(news, Done) and self.begun is not None:
            self.acknowledged[self.begun.kind, self.begun.game] += self.begun.number
            self.begun = None

    def settle(self, stored: Count) -> None:
        """Check what is stored; what was under way happened as a whole, or not at all."""
        begun, self.begun = self.begun, None
        if begun is not None and stored != self.acknowledged:
            self.acknowledged[begun.kind, begun.game] += begun.number
        assert stored == self.acknowledged


def kill_a_shopper(url: str, games: list[str], seed: int, ledger: Ledger) -> None:
    """Kill a shopping process after a random time, and read its last messages."""
    random = Random(seed)
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    shopper = _CONTEXT.Process(target=shop_without_end, args=(url, games, seed, theirs))
    shopper.start()
    theirs.close()
    for _ in range(random.randint(1, 60)):
        assert ours.poll(30), "The shopper is idle."
        ledger.note(ours.recv())
    # Somewhere in the next act, or the one after.
    shopper.join(random.uniform(0, 0.02))
    shopper.kill()
    shopper.join()
    hear_the_last(ours, ledger)


def hear_the_last(news: Connection, ledger: Ledger) -> None:
    try:
        while True:
            ledger.note(news.recv())
    except (EOFError, OSError):
        news.close()


async def look(connection: "asyncpg.Connection[asyncpg.Record]") -> Count:
    """Return what is stored, once PostgreSQL has noticed that the process is gone."""

    async def is_alone() -> bool:
        return not await connection.fetchval(_OTHERS)

    await until(is_alone, seconds=30)
    assert await connection.fetchval(_ORPHANS) == 0
    assert await connection.fetchval(_STRANGERS) == 0
    return Counter(
        {(row["kind"], row["game"]): int(row["number"]) for row in await connection.fetch(_STORED)}
    )


def kill_after_commit(url: str, verb: str, email: str, session_id: str) -> None:
    """Kill a process that has committed a registration or a sign-in, and moved no basket."""
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
    @pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
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
            ledger.settle(await look(connection))

        users = await connection.fetchval("SELECT count(*) FROM users")
        moved = await connection.fetchval("SELECT count(*) FROM cart_items")
        await connection.close()
        assert users > kills / 4
        assert moved > users
