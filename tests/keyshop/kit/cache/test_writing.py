"""The write path: the commands to Redis before and after a COMMIT."""

import asyncio
import os
import signal
import sys
import textwrap

import pytest

from keyshop.kit.cache.guard import RedisCommitGuard
from tests.factories.cached_shop import cached_shop_at, game_key, until

# Marks the game, and waits before its COMMIT until it is killed.
_WRITER = """
    import asyncio, sys
    from keyshop.kit.cache.guard import RedisCommitGuard
    from keyshop.kit.cache.open import open_cache
    from keyshop.kit.database.pool import Database

    async def main(database_url, redis_url, game, when):
        async with open_cache(database_url, redis_url) as opened:
            class Stops(RedisCommitGuard):
                async def before_commit(self, tx):
                    sealed = await super().before_commit(tx)
                    if when == "before":
                        await self.stop(sealed)
                    return sealed

                async def after_commit(self, db, prepared, *, committed):
                    await self.stop(prepared)

                async def stop(self, sealed):
                    print("guarded" if sealed.connection is not None else "unguarded", flush=True)
                    await asyncio.sleep(60)

            while opened.guard._redis.connection is None:
                await asyncio.sleep(0.01)
            db = Database(database_url, guard=Stops(opened.guard._redis))
            await db.open()
            async with db.transaction() as tx:
                await tx.execute("UPDATE games SET price = 66 WHERE id = $1", game)

    asyncio.run(main(*sys.argv[1:]))
"""


class TestCommit:
    async def test_is_marked_before_it_is_done_and_published_after(
        self, cached_shop, game, execute, shop, module_database_url, redis_url
    ):
        name, seen = game_key(game).name, []

        class Watches(RedisCommitGuard):
            async def before_commit(self, tx):
                sealed = await super().before_commit(tx)
                seen.append(
                    (execute("GET", name), execute("HKEYS", f"cw:{shop}:{name}"), sealed.xid)
                )
                return sealed

        guard = Watches(cached_shop.guard._redis)
        async with cached_shop_at(module_database_url, redis_url, guard=guard) as other:
            await other.set_price(game, "11.00")

        ((value, markers, xid),) = seen
        assert value is None
        assert [marker.decode() for marker in markers] == [xid]
        assert execute("EXISTS", f"cw:{shop}:{name}", f"cw:{shop}:home", f"cw:{shop}:prices") == 0

    async def test_leaves_nothing_in_the_outbox(self, cached_shop, game):
        await cached_shop.set_price(game, "11.00")

        async def is_empty() -> bool:
            async with cached_shop.db.read() as reader:
                return not await reader.fetchval("SELECT count(*) FROM keyshop.cache_outbox")

        await until(is_empty)

    async def test_of_uncached_data_sends_redis_nothing(self, database_url, own_valkey):
        async with cached_shop_at(database_url, own_valkey.url) as cached_shop:
            game = await cached_shop.add(price=10)
            await asyncio.sleep(0.2)
            before = own_valkey.execute("INFO", "commandstats").get("cmdstat_evalsha")
            async with cached_shop.db.transaction() as tx:
                await tx.execute("CREATE TABLE notes (id INT)")
                await tx.execute("INSERT INTO notes VALUES (1)")
            async with cached_shop.db.transaction() as tx:
                await tx.execute('UPDATE games SET "g2aStock" = NOT "g2aStock" WHERE id = $1', game)
            assert own_valkey.execute("INFO", "commandstats").get("cmdstat_evalsha") == before

    async def test_that_is_refused_takes_its_marks_back(self, cached_shop, game, execute, shop):
        async with cached_shop.db.transaction() as tx:
            await tx.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$"
            )
            await tx.execute(
                "CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON games"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        try:
            with pytest.raises(Exception, match="no"):
                await cached_shop.set_price(game, "11.00")
            assert execute("EXISTS", f"cw:{shop}:{game_key(game).name}") == 0
            assert await cached_shop.price(game) == "10.00"
        finally:
            async with cached_shop.db.transaction() as tx:
                await tx.execute("DROP FUNCTION refuse CASCADE")

    async def test_of_a_part_that_was_undone_is_not_marked(self, cached_shop, game):
        async with cached_shop.db.transaction() as tx:
            with pytest.raises(ZeroDivisionError):
                await undo(tx, game)
        assert await cached_shop.keeps(game)

    async def test_of_many_games_is_seen_of_each(self, cached_shop):
        games = [await cached_shop.add(price=10, title=f"One of many {n}") for n in range(120)]
        await asyncio.gather(*(cached_shop.until_kept(game) for game in games))
        async with cached_shop.db.transaction() as tx:
            await tx.execute("UPDATE games SET price = 12 WHERE id = ANY($1)", games)
        found = await asyncio.gather(*(cached_shop.price(game) for game in games))
        assert set(found) == {"12.00"}


async def undo(tx, game: str) -> None:
    async with tx.raw.transaction():
        await tx.execute("UPDATE games SET price = 66 WHERE id = $1", game)
        raise ZeroDivisionError


class TestKilledWriter:
    @pytest.mark.parametrize(("when", "price"), [("before", "10.00"), ("after", "66.00")])
    async def test_leaves_nothing_old_and_its_game_is_kept_again(
        self, cached_shop, game, module_database_url, redis_url, when, price
    ):
        program = textwrap.dedent(_WRITER)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, module_database_url, redis_url, game, when,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        while (line := (await process.stdout.readline()).strip()) not in {b"guarded", b"unguarded"}:
            assert line or process.returncode is None
        assert line == b"guarded"
        assert await cached_shop.price(game) == price
        assert not await cached_shop.keeps(game)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()

        assert await cached_shop.price(game) == price
        assert await cached_shop.until_kept(game) < 5
        assert await cached_shop.price(game) == price
