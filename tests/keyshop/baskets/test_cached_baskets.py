"""Baskets in Redis are never stale and never another visitor's, and popular games cost no more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from time import perf_counter

import pytest
import pytest_asyncio
from msgspec import Struct
from redis import Redis

from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.delete_expired_sessions import delete_expired_sessions
from keyshop.baskets.models import Visitor
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_user_wishlist, show_whether_wished, show_wishlist
from keyshop.kit.cache.families import CacheKey, digest
from keyshop.kit.cache.open import open_cache, run_outbox_cleanup, run_relay
from keyshop.kit.cache.protocol import Cache, Load, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id
from tests.factories.baskets import (
    LIMITS,
    NEW_VISITOR,
    NO_CACHE,
    change_game,
    make_guest,
    make_user,
    make_visitor,
    put,
    wish,
)
from tests.factories.cached_shop import until
from tests.factories.games import NOON, link_game, make_game
from tests.keyshop.baskets.test_migration import sign_in
from tests.servers import Postgres, copied_database

MANY = 50_000


class CountingDatabase(Database):
    """A database that counts its reads."""

    reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        self.reads += 1
        async with super().read() as reader:
            yield reader


class Notes:
    """A cache that stores nothing, and remembers the last answer that it would have stored."""

    last: Loaded | None = None

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        """Load."""
        del key, now
        self.last = await load()
        return self.last.payload


class Shop(Struct, frozen=True):
    """A shop with a cache."""

    db: CountingDatabase
    cache: Cache

    async def read_all(self, visitor: Visitor, game: str) -> list[bytes]:
        """Return the visitor's baskets as the cache answers."""
        return await read_all(self.db, self.cache, visitor, game)

    async def read_truth(self, visitor: Visitor, game: str) -> list[bytes]:
        """Return the same as PostgreSQL answers."""
        return await read_all(self.db, NO_CACHE, visitor, game)

    async def warm(self, visitor: Visitor, game: str) -> None:
        """Read the baskets until that needs no query."""

        async def is_kept() -> bool:
            before = self.db.reads
            await self.read_all(visitor, game)
            return self.db.reads == before

        await until(is_kept)


async def read_all(db: Database, cache: Cache, visitor: Visitor, game: str) -> list[bytes]:
    return [
        await show_cart(db, cache, visitor, now=NOON),
        await show_wishlist(db, cache, visitor, now=NOON),
        await show_user_wishlist(db, cache, visitor, now=NOON),
        await show_whether_wished(db, cache, visitor, game, now=NOON),
    ]


@pytest.fixture(scope="module")
def redis_url(valkey_url: str, worker_id: str) -> str:
    """The address of an empty database that no other test uses meanwhile."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    url = f"{valkey_url.removesuffix('/0')}/{1 + number % 15}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest_asyncio.fixture(scope="module")
async def shop(
    postgres_server: Postgres, template_database: str, redis_url: str
) -> AsyncIterator[Shop]:
    """A shop with a relay, which trusts its Redis."""
    async with AsyncExitStack() as parts:
        url = await parts.enter_async_context(copied_database(postgres_server, template_database))
        await parts.enter_async_context(run_relay(url, redis_url))
        opened = await parts.enter_async_context(open_cache(url, redis_url))
        db = CountingDatabase(url, guard=opened.guard)
        await db.open()
        parts.push_async_callback(db.close)
        await parts.enter_async_context(run_outbox_cleanup(opened.guard, db))
        shop = Shop(db, opened.cache)
        await shop.warm(await make_user(db), "")
        yield shop


@pytest_asyncio.fixture
async def game(shop: Shop) -> str:
    """A game."""
    return await make_game(shop.db, slug=new_id(), platforms=[new_id()])


@pytest_asyncio.fixture
async def visitor(shop: Shop, kind: str, game: str) -> Visitor:
    """A customer or a guest, with the game in both baskets."""
    visitor = await make_visitor(shop.db, kind)
    await put(shop.db, visitor, game)
    await wish(shop.db, visitor, game)
    return visitor


async def run(shop: Shop, sql: str, *args: object) -> None:
    async with shop.db.transaction() as tx:
        await tx.execute(sql, *args)


Write = Callable[[Shop, Visitor, str], Awaitable[object]]

# Changes of a visitor's baskets by the shop, and of a game in them by any program.
WRITES: dict[str, Write] = {
    "add to cart": lambda shop, who, game: add_to_cart(
        shop.db, who, game, 1, limits=LIMITS, now=NOON
    ),
    "set quantity": lambda shop, who, game: set_quantity(
        shop.db, who, game, 7, limits=LIMITS, now=NOON
    ),
    "remove": lambda shop, who, game: remove_from_cart(shop.db, who, game, now=NOON),
    "clear": lambda shop, who, _: clear_cart(shop.db, who, now=NOON),
    "take off": lambda shop, who, game: remove_wish(shop.db, who, game, now=NOON),
    "price": lambda shop, _, game: change_game(shop.db, game, "price = 7.77"),
    "stock": lambda shop, _, game: change_game(shop.db, game, '"inStock" = false'),
    "title": lambda shop, _, game: change_game(shop.db, game, "title = 'Another'"),
    "slug": lambda shop, _, game: change_game(shop.db, game, "slug = slug || '-2'"),
    "image": lambda shop, _, game: change_game(shop.db, game, "image = 'x'"),
    "original price": lambda shop, _, game: change_game(shop.db, game, '"originalPrice" = 99'),
    "currency": lambda shop, _, game: change_game(shop.db, game, "currency = 'USD'"),
    "platform": lambda shop, _, game: add_platform(shop, game),
    "platform's name": lambda shop, *_: run(shop, "UPDATE platforms SET name = name || '!'"),
    "game": lambda shop, _, game: run(shop, "DELETE FROM games WHERE id = $1", game),
}


async def add_platform(shop: Shop, game: str) -> None:
    async with shop.db.transaction() as tx:
        await link_game(tx, game, "platforms", [new_id()])


class TestCachedBaskets:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
    async def test_are_current_after_every_write(
        self, shop: Shop, visitor: Visitor, game: str, write: Write
    ):
        await shop.warm(visitor, game)
        before = await shop.read_all(visitor, game)

        await write(shop, visitor, game)

        after = await shop.read_all(visitor, game)
        assert after != before
        assert after == await shop.read_truth(visitor, game)

    async def test_show_a_wish_that_was_just_made(self, shop: Shop, kind: str, game: str):
        visitor = await make_visitor(shop.db, kind)
        await shop.warm(visitor, game)

        await add_wish(shop.db, visitor, game, limits=LIMITS, now=NOON)

        assert b"true}" in (await shop.read_all(visitor, game))[3]
        assert await shop.read_all(visitor, game) == await shop.read_truth(visitor, game)

    async def test_are_both_right_after_a_migration(self, shop: Shop, game: str):
        alice, guest = await make_user(shop.db), await make_guest(shop.db)
        kept = await make_game(shop.db, title="Kept", slug=f"kept-{game}")
        await put(shop.db, guest, game, kept)
        await wish(shop.db, guest, game, kept)
        await change_game(shop.db, kept, '"inStock" = false')
        for visitor in (alice, guest):
            await shop.warm(visitor, game)

        migration = await sign_in(shop.db, alice, guest)

        assert migration is not None
        nothing = await shop.read_truth(NEW_VISITOR, game)
        assert await shop.read_all(guest, game) == nothing
        for visitor in (alice, Visitor(session_id=migration.remaining_session_id)):
            assert await shop.read_all(visitor, game) == await shop.read_truth(visitor, game)
            assert await shop.read_all(visitor, game) != nothing

    async def test_are_gone_when_their_session_is_forgotten(self, shop: Shop, game: str):
        guest = await make_guest(shop.db)
        await put(shop.db, guest, game)
        await shop.warm(guest, game)

        async with shop.db.transaction() as tx:
            await delete_expired_sessions(tx, now=NOON + timedelta(days=2))

        assert await shop.read_all(guest, game) == await shop.read_truth(NEW_VISITOR, game)

    async def test_are_cached_no_longer_than_their_session(self, shop: Shop, game: str):
        alice, guest = await make_user(shop.db), await make_guest(shop.db)
        await put(shop.db, guest, game)
        notes = Notes()

        for visitor, last in ((guest, NOON + timedelta(hours=24)), (alice, None)):
            for show in (show_cart, show_wishlist):
                await show(shop.db, notes, visitor, now=NOON)
                assert notes.last is not None
                assert notes.last.valid_until == last

    async def test_have_no_redis_key_that_contains_the_session_id(
        self, shop: Shop, game: str, redis_url: str
    ):
        guest = await make_guest(shop.db)
        assert guest.session_id is not None
        await put(shop.db, guest, game)
        await shop.warm(guest, game)

        with Redis.from_url(redis_url) as redis:
            names = [str(name) for name in redis.scan_iter(count=1000)]

        kept = f"session:{digest(guest.session_id)}:"
        assert [name for name in names if kept in name] != []
        assert [name for name in names if guest.session_id in name] == []

    async def test_are_never_shown_to_another_visitor(self, shop: Shop, game: str):
        alice, bob, guest = [
            await make_user(shop.db),
            await make_user(shop.db),
            await make_guest(shop.db),
        ]
        await put(shop.db, alice, game)
        await shop.warm(alice, game)

        nothing = await shop.read_truth(NEW_VISITOR, game)
        for other in (bob, guest, Visitor(session_id=alice.user_id)):
            await shop.warm(other, game)
            assert await shop.read_all(other, game) == nothing

    async def test_need_no_database_without_a_session(self, shop: Shop, game: str):
        before = shop.db.reads

        for cookie in (None, "", "\0", "short", "x" * 1000):
            await shop.read_all(Visitor(session_id=cookie), game)

        assert shop.db.reads == before


_STOCK_WISHLISTS = f"""
    WITH customers AS (
        INSERT INTO users (id, email, "passwordHash", "updatedAt")
        SELECT 'many-' || n, 'many-' || n || '@example.com', '', now()
        FROM generate_series(1, {MANY}) AS n RETURNING id
    )
    INSERT INTO wishlist ("userId", "gameId") SELECT id, $1 FROM customers
"""


class TestGameThatManyWish:
    async def test_is_invalidated_for_all_wishlists_by_one_outbox_row(self, db: Database):
        game = await make_game(db)
        async with db.transaction() as tx:
            await tx.execute(_STOCK_WISHLISTS, game)

        for change in ("price = 1.11", '"inStock" = false', "title = 'Many'"):
            began = perf_counter()
            rows = await self.outbox_of(db, f"UPDATE games SET {change} WHERE id = $1", game)

            assert perf_counter() - began < 0.5
            assert len(rows) == 1
            assert "prices" in rows[0][1]
            assert len(rows[0][0]) == 2
            assert all(key.startswith("game:") for key in rows[0][0])

    @staticmethod
    async def outbox_of(db: Database, sql: str, game: str) -> list[tuple[list[str], list[str]]]:
        """Return the outbox rows of the change, read inside its transaction."""

        async def change(tx: Transaction) -> list[tuple[list[str], list[str]]]:
            await tx.execute("DELETE FROM keyshop.cache_outbox")
            await tx.execute(sql, game)
            found = await tx.fetch("SELECT keys, groups FROM keyshop.cache_outbox")
            return [(record["keys"], record["groups"]) for record in found]

        return await db.run(change, attempts=1)
