"""
Known causes of stale values in other caches, none of which occurs here.

From the documentation and issues of Shopify's identity_cache, and from the code of aiocache, cashews
and the get-or-set of Django's Redis caches. Each test does what goes wrong there.
"""

import asyncio
from decimal import Decimal

import pytest

from keyshop.cache_keys import GAME, HOME_NEW
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.protocol import Loaded
from keyshop.kit.clock import utc_now
from tests.factories.cached_shop import (
    CachedShop,
    cached_shop_at,
    cached_shop_without_redis,
    game_key,
)
from tests.servers import connected


class PausesBetween(RedisCommitGuard):
    """The shop's guard, paused before or after COMMIT, as on a slow machine."""

    def __init__(self, guard: RedisCommitGuard) -> None:
        super().__init__(guard._redis)
        self.prepared = asyncio.Event()
        self.may_commit = asyncio.Event()
        self.committed = asyncio.Event()
        self.may_publish = asyncio.Event()

    async def before_commit(self, tx):
        sealed = await super().before_commit(tx)
        if sealed.change is not None:
            self.prepared.set()
            await self.may_commit.wait()
        return sealed

    async def after_commit(self, db, prepared, *, committed):
        self.committed.set()
        await self.may_publish.wait()
        await super().after_commit(db, prepared, committed=committed)


@pytest.fixture
def paused(cached_shop: CachedShop):
    """A writer that pauses before and after its COMMIT until the test continues it."""
    assert isinstance(cached_shop.guard, RedisCommitGuard)
    return PausesBetween(cached_shop.guard)


async def price_slowly(
    cached_shop: CachedShop, game: str, looked: asyncio.Event, resume: asyncio.Event
):
    async def wait() -> None:
        looked.set()
        await resume.wait()

    return await cached_shop.price(game, after=wait())


class TestIdentityCache:
    async def test_a_process_that_dies_between_commit_and_expiry_leaves_nothing_old(
        self, cached_shop, game, paused, module_database_url, redis_url
    ):
        """README: a transaction may be committed and its invalidation lost with the process."""
        async with cached_shop_at(module_database_url, redis_url, guard=paused) as other:
            writing = asyncio.create_task(other.set_price(game, "11.00"))
            await paused.prepared.wait()
            paused.may_commit.set()
            await paused.committed.wait()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

            assert await cached_shop.price(game) == "11.00"
            assert await cached_shop.until_kept(game) < 5
            assert await cached_shop.price(game) == "11.00"

    async def test_an_expiry_that_the_network_loses_leaves_nothing_old(
        self, cached_shop, game, module_database_url
    ):
        """README: a network blip loses the delete, and the value lives until its time is over."""
        async with cached_shop_at(module_database_url, "redis://127.0.0.1:1/0") as other:
            await other.set_price(game, "11.00")
        assert await cached_shop.price(game) == "11.00"

    async def test_a_failing_step_after_the_commit_cannot_swallow_the_expiry(
        self, cached_shop, game
    ):
        """README: another after_commit hook raises first, and the one that expires never runs."""

        async def write_and_fail() -> None:
            async with cached_shop.db.transaction() as tx:
                await tx.execute("UPDATE games SET price = 11 WHERE id = $1", game)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write_and_fail()
        assert await cached_shop.price(game) == "11.00"

    async def test_a_fill_between_the_commit_and_the_expiry_keeps_nothing_old(
        self, cached_shop, game, paused, module_database_url, redis_url
    ):
        """Expiry runs after COMMIT: a read in between must neither return nor store the old value."""
        async with cached_shop_at(module_database_url, redis_url, guard=paused) as other:
            writing = asyncio.create_task(other.set_price(game, "11.00"))
            await paused.prepared.wait()
            assert await cached_shop.price(game) == "10.00"
            paused.may_commit.set()
            await paused.committed.wait()
            for _ in range(5):
                assert await cached_shop.price(game) == "11.00"
            paused.may_publish.set()
            await writing
            assert await cached_shop.until_kept(game) < 5
            assert await cached_shop.price(game) == "11.00"

    async def test_writes_that_bypass_the_models_are_seen(
        self, cached_shop, game, module_database_url
    ):
        """update_all, raw SQL and other applications run no callbacks."""
        async with connected(module_database_url) as raw:
            await raw.execute("UPDATE games SET price = 11")
        await asyncio.sleep(1)
        assert await cached_shop.price(game) == "11.00"

    async def test_a_row_that_moves_to_another_owner_expires_both(self, cached_shop):
        """Issue 389 and CHANGELOG: parents were expired by the new foreign key alone."""
        first = await cached_shop.add(price=Decimal("10.00"), title="Owner one")
        second = await cached_shop.add(price=Decimal("10.00"), title="Owner two")
        async with cached_shop.db.transaction() as tx:
            await tx.execute("INSERT INTO genres (id, name, slug) VALUES ('g', 'G', 'g')")
            await tx.execute(
                'INSERT INTO game_genres ("gameId", "genreId") VALUES ($1, $2)', first, "g"
            )

        async def genres(game: str) -> Loaded:
            async with cached_shop.db.read() as reader:
                found = await reader.fetchval(
                    'SELECT count(*)::text FROM game_genres WHERE "gameId" = $1', game
                )
            return Loaded(found.encode())

        async def count(game: str) -> str | None:
            found: str | None = await cached_shop.read(game_key(game), lambda: genres(game))
            return found

        for _ in range(3):
            assert (await count(first), await count(second)) == ("1", "0")
        async with cached_shop.db.transaction() as tx:
            await tx.execute(
                'UPDATE game_genres SET "gameId" = $1 WHERE "gameId" = $2', second, first
            )
        assert (await count(first), await count(second)) == ("0", "1")

    async def test_a_renamed_key_expires_its_old_and_its_new_name(self, cached_shop):
        """A secondary index is expired by the attributes before and after the change."""
        await cached_shop.add(id="before", price=Decimal("1.00"), title="Renamed")
        await cached_shop.until_kept("before")
        assert await cached_shop.price("after") is None
        await cached_shop.until_kept("after")
        async with cached_shop.db.transaction() as tx:
            await tx.execute("UPDATE games SET id = 'after' WHERE id = 'before'")
        assert await cached_shop.price("before") is None
        assert await cached_shop.price("after") == "1.00"

    async def test_an_undone_transaction_expires_nothing_for_long_and_keeps_nothing_of_itself(
        self, cached_shop, game
    ):
        """What a transaction saw before it was undone must not be in the cache."""

        async def write_and_fail() -> None:
            async with cached_shop.db.transaction() as tx:
                await tx.execute("UPDATE games SET price = 66 WHERE id = $1", game)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write_and_fail()
        assert await cached_shop.price(game) == "10.00"
        assert await cached_shop.keeps(game)

    async def test_processes_that_take_part_and_those_that_do_not_can_be_mixed(
        self, cached_shop, game, module_database_url
    ):
        """Issue 535: while a new version is rolled out, the old one's writes expire nothing new."""
        async with cached_shop_without_redis(module_database_url) as other:
            await other.set_price(game, "11.00")
            assert await cached_shop.price(game) == "11.00"

    async def test_an_absent_row_that_is_remembered_is_forgotten_when_it_is_added(
        self, cached_shop
    ):
        """Issue 501: a remembered nil outlived the creation of the record."""
        assert await cached_shop.price("absent") is None
        await cached_shop.until_kept("absent")
        await cached_shop.add(id="absent", price=Decimal("3.00"), title="No longer absent")
        assert await cached_shop.price("absent") == "3.00"

    async def test_a_value_of_another_format_is_a_miss(self, cached_shop, game, execute):
        """README: a new Ruby or Rails may not be able to read what the old one had kept."""
        execute("SET", game_key(game).name, b"\x04\x08o:\x09Game")
        assert await cached_shop.price(game) == "10.00"

    async def test_a_herd_of_readers_loads_once_or_twice(self, cached_shop, game):
        """CAVEATS: after an update of a hot record every client goes to the database at once."""
        await cached_shop.set_price(game, "11.00")
        assert set(await asyncio.gather(*(cached_shop.price(game) for _ in range(100)))) == {
            "11.00"
        }
        assert cached_shop.loads <= 2

    async def test_an_answer_too_large_to_keep_is_right_all_the_same(self, cached_shop, game):
        """CAVEATS: a blob over the server's limit fails every fill."""

        async def load() -> Loaded:
            return Loaded(b"x" * 20_000_000)

        for _ in range(2):
            found = await cached_shop.cache.read(game_key(game), load, now=utc_now())
            assert found is not None
        await cached_shop.set_price(game, "11.00")
        assert await cached_shop.price(game) == "11.00"


class TestPythonLibraries:
    async def test_a_set_that_comes_after_the_delete_is_refused(self, cached_shop, game):
        """aiocache `cached`, django get_or_set: get, compute, set; a delete in between is undone."""
        await cached_shop.set_price(game, "11.00")
        looked, resume = asyncio.Event(), asyncio.Event()
        slow = asyncio.create_task(price_slowly(cached_shop, game, looked, resume))
        await looked.wait()
        await cached_shop.set_price(game, "12.00")
        resume.set()
        await slow
        assert await cached_shop.price(game) == "12.00"

    async def test_a_delete_before_the_commit_is_not_refilled_from_before_it(
        self, cached_shop, game, paused, module_database_url, redis_url
    ):
        """cashews `invalidate` inside a transaction: a reader refills before the COMMIT."""
        async with cached_shop_at(module_database_url, redis_url, guard=paused) as other:
            writing = asyncio.create_task(other.set_price(game, "11.00"))
            await paused.prepared.wait()
            for _ in range(3):
                assert await cached_shop.price(game) == "10.00"
            paused.may_commit.set()
            paused.may_publish.set()
            await writing
            assert await cached_shop.price(game) == "11.00"

    async def test_a_lock_that_expires_in_the_middle_of_a_load_lets_no_process_keep_the_old(
        self, cached_shop, game, execute, shop, module_database_url, redis_url
    ):
        """aiocache RedLock, django-redis lock: the lease lapses, another loads, the first sets."""
        async with cached_shop_at(module_database_url, redis_url) as other:
            await other.until_kept(game)
            await cached_shop.set_price(game, "11.00")
            looked, resume = asyncio.Event(), asyncio.Event()
            slow = asyncio.create_task(price_slowly(cached_shop, game, looked, resume))
            await looked.wait()
            execute("DEL", f"cl:{shop}:{game_key(game).name}")  # as if two seconds had passed
            await cached_shop.set_price(game, "12.00")
            await other.until_kept(game)
            resume.set()
            assert await slow == "11.00"
            for process in (cached_shop, other):
                assert await process.price(game) == "12.00"

    async def test_those_who_wait_for_a_stale_leader_are_not_given_its_answer(
        self, cached_shop, game
    ):
        """cashews `locked`, aiocache `cached_stampede`: the wait ends with the leader's old value."""
        await cached_shop.set_price(game, "11.00")
        looked, resume = asyncio.Event(), asyncio.Event()
        leader = asyncio.create_task(price_slowly(cached_shop, game, looked, resume))
        await looked.wait()
        await cached_shop.set_price(game, "12.00")
        waiting = [asyncio.create_task(cached_shop.price(game)) for _ in range(10)]
        await asyncio.sleep(0.05)
        resume.set()
        assert set(await asyncio.gather(*waiting)) == {"12.00"}
        await leader

    async def test_a_version_that_is_lost_does_not_count_from_its_beginning_again(
        self, cached_shop, game, execute, shop, module_database_url
    ):
        """django `incr_version`, cashews tags: the counter is evicted and old numbers come back."""
        title = f"{await cached_shop.list_titles(HOME_NEW)}"
        await cached_shop.list_titles(HOME_NEW)
        kept = execute("GET", "home:new")
        async with cached_shop.db.transaction() as tx:
            await tx.execute("UPDATE games SET title = 'Renamed once' WHERE id = $1", game)
        execute("DEL", f"gen:{shop}:home")
        execute("SET", "home:new", kept)  # the value of the first generation
        found = await cached_shop.list_titles(HOME_NEW)
        assert found != title
        assert "Renamed once" in str(found)

    async def test_reading_does_not_prolong_a_value(self, cached_shop, game, execute):
        """django `touch`, sliding expiry: what is read is kept, and kept, and kept."""
        left = execute("PTTL", game_key(game).name)
        await asyncio.sleep(0.05)
        for _ in range(20):
            await cached_shop.price(game)
        assert execute("PTTL", game_key(game).name) < left

    async def test_a_reader_that_gives_up_leaves_its_reply_to_no_other(self, cached_shop, game):
        """redis-py before 4.5.3: a cancelled command's reply was given to the next one who asked."""
        other = await cached_shop.add(price=Decimal("77.00"), title="Another Game")
        await cached_shop.until_kept(other)
        for _ in range(50):
            doomed = asyncio.create_task(cached_shop.price(other))
            await asyncio.sleep(0)
            doomed.cancel()
            assert await cached_shop.price(game) == "10.00"


class TestEarlierShop:
    async def test_writers_and_readers_use_the_same_key(self, cached_shop):
        """Deletes went to patterns that no live key had: lists were a week old."""
        await cached_shop.list_titles(HOME_NEW)
        await cached_shop.add(price=Decimal("1.00"), title="Just added")
        assert "Just added" in str(await cached_shop.list_titles(HOME_NEW))

    def test_a_key_is_made_of_known_parts_only(self):
        """Any text of a visitor became a key, and its empty answer was kept for a week."""
        for text in ("a b", "x" * 65, "", "a:b", "*", "\N{LATIN SMALL LETTER E WITH ACUTE}"):
            assert GAME.find_key(id=text) is None
