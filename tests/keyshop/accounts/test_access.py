"""The check of the access token of each request, through the cache."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import asyncpg
import pytest
import pytest_asyncio

from keyshop.accounts.check_access import check_access
from keyshop.accounts.errors import TokenRefused
from keyshop.accounts.models import SignedIn
from keyshop.accounts.sessions.families import (
    rebind_to_new_hash,
    refresh,
    revoke_all,
    revoke_family,
)
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.open import open_cache, run_relay
from keyshop.kit.cache.protocol import Cache, Load, Loaded
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.secrets import Secret
from tests.factories.cached_shop import until
from tests.factories.sessions import (
    HOUR,
    NEW_HASH,
    OLD_HASH,
    add_user,
    family_of,
    make_tokens,
    sign_in,
)
from tests.keyshop.kit.cache.redis_process import RedisProcess, serving
from tests.servers import Postgres, copied_database

ROLE = "UPDATE users SET role = 'ADMIN' WHERE id = $1"
PASSWORD = f"UPDATE users SET \"passwordHash\" = '{NEW_HASH}' WHERE id = $1"
DELETION = "DELETE FROM users WHERE id = $1"


class CountedCache:
    """A cache that counts how often it reads from PostgreSQL."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.loads = 0

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        async def count() -> Loaded:
            self.loads += 1
            return await load()

        return await self._cache.read(key, count, now=now)


class TokenChecker:
    """A process of the shop that checks tokens."""

    def __init__(self, db: Database, cache: Cache) -> None:
        self.db = db
        self.cache = CountedCache(cache)
        self.tokens = make_tokens()

    async def check(self, token: str) -> SignedIn:
        return await check_access(self.db, self.cache, self.tokens, token, now=utc_now())

    async def refuses(self, token: str) -> bool:
        try:
            await self.check(token)
        except TokenRefused:
            return True
        return False

    async def until_cached(self, token: str) -> None:
        """Check the token until that needs no query."""

        async def is_cached() -> bool:
            loads = self.cache.loads
            await self.check(token)
            return self.cache.loads == loads

        await until(is_cached)

    async def write(self, sql: str, *args: object) -> None:
        async with self.db.transaction() as tx:
            await tx.execute(sql, *args)


@asynccontextmanager
async def checker_at(database_url: str, redis_url: str | None) -> AsyncIterator[TokenChecker]:
    """Run a process of the shop and a relay for the length of a block."""
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(run_relay(database_url, redis_url))
        opened = await parts.enter_async_context(open_cache(database_url, redis_url))
        db = Database(database_url, guard=opened.guard)
        await db.open()
        parts.push_async_callback(db.close)
        yield TokenChecker(db, opened.cache)


@pytest.fixture(scope="module")
def redis_server():
    with serving("valkey") as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def checkers_url(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    """The URL of a database that these tests share; each has its own accounts."""
    async with copied_database(postgres_server, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module")
async def cached_checker(
    checkers_url: str, redis_server: RedisProcess
) -> AsyncIterator[TokenChecker]:
    """A checker with Redis."""
    async with checker_at(checkers_url, redis_server.url) as checker:
        yield checker


@pytest_asyncio.fixture(scope="module")
async def uncached_checker(
    postgres_server: Postgres, template_database: str
) -> AsyncIterator[tuple[TokenChecker, str]]:
    """A checker without a cache, and the URL of its database."""
    async with (
        copied_database(postgres_server, template_database) as url,
        checker_at(url, None) as checker,
    ):
        yield checker, url


@pytest.fixture(params=["with Redis", "without Redis"])
def checker(
    request: pytest.FixtureRequest,
    cached_checker: TokenChecker,
    uncached_checker: tuple[TokenChecker, str],
) -> TokenChecker:
    return cached_checker if request.param == "with Redis" else uncached_checker[0]


class TestAccess:
    async def test_has_the_current_role_of_the_account(self, checker):
        boss = await add_user(checker.db, role="ADMIN")
        pair = await sign_in(checker.db, checker.tokens, boss)

        found = await checker.check(pair.token)

        family = family_of(checker.tokens, pair)
        assert found == SignedIn(
            user_id=boss.id, email=boss.email, role=boss.role, family_id=family
        )

    async def test_is_granted_from_the_cache_without_a_query(self, cached_checker):
        pair = await sign_in(
            cached_checker.db, cached_checker.tokens, await add_user(cached_checker.db)
        )
        await cached_checker.until_cached(pair.token)
        loads = cached_checker.cache.loads

        await asyncio.gather(*(cached_checker.check(pair.token) for _ in range(200)))

        assert cached_checker.cache.loads == loads

    async def test_stays_cached_while_tokens_are_refreshed(self, cached_checker):
        pair = await sign_in(
            cached_checker.db, cached_checker.tokens, await add_user(cached_checker.db)
        )
        await cached_checker.until_cached(pair.token)
        loads = cached_checker.cache.loads

        following = await refresh(
            cached_checker.db, cached_checker.tokens, pair.refresh_token, now=utc_now()
        )

        assert await cached_checker.check(following.token)
        assert await cached_checker.check(pair.token)
        assert cached_checker.cache.loads == loads

    async def test_is_refused_with_a_token_whose_sign_in_was_rolled_back(self, checker):
        alice = await add_user(checker.db)
        invented = checker.tokens.sign_access(alice, family_id="none", now=utc_now())

        assert await checker.refuses(invented)

    async def test_of_bob_is_refused_with_the_id_of_alices_sign_in(self, checker):
        alice, bob = await add_user(checker.db), await add_user(checker.db)
        family = family_of(checker.tokens, await sign_in(checker.db, checker.tokens, alice))

        mixed = checker.tokens.sign_access(bob, family_id=family, now=utc_now())

        assert await checker.refuses(mixed)

    async def test_ends_when_the_token_expires_even_if_cached(self, cached_checker):
        pair = await sign_in(
            cached_checker.db, cached_checker.tokens, await add_user(cached_checker.db)
        )
        await cached_checker.until_cached(pair.token)

        with pytest.raises(TokenRefused):
            await check_access(
                cached_checker.db,
                cached_checker.cache,
                cached_checker.tokens,
                pair.token,
                now=utc_now() + HOUR,
            )

    async def test_of_an_account_with_a_strange_id_is_granted(self, checker):
        # Another application may store any text as an id.
        strange = await add_user(checker.db, id="ÿ/{}:*")
        pair = await sign_in(checker.db, checker.tokens, strange)

        assert (await checker.check(pair.token)).user_id == "ÿ/{}:*"


class TestAccessAfterAChange:
    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_of_the_account_is_refused_at_once(self, checker, sql):
        alice, bob = await add_user(checker.db), await add_user(checker.db)
        alices = await sign_in(checker.db, checker.tokens, alice)
        bobs = await sign_in(checker.db, checker.tokens, bob)
        for pair in (alices, bobs):
            await checker.check(pair.token)
            await checker.check(pair.token)

        await checker.write(sql, alice.id)

        assert await checker.refuses(alices.token)
        assert await checker.check(bobs.token)

    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_by_another_application_is_refused_within_a_second(
        self, cached_checker, checkers_url, sql
    ):
        alice = await add_user(cached_checker.db)
        pair = await sign_in(cached_checker.db, cached_checker.tokens, alice)
        await cached_checker.until_cached(pair.token)
        other = await asyncpg.connect(checkers_url)

        await other.execute(sql, alice.id)

        await until(lambda: cached_checker.refuses(pair.token), seconds=1.5)
        await other.close()

    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_by_another_application_is_refused_at_once_without_a_cache(
        self, uncached_checker, sql
    ):
        checker, database_url = uncached_checker
        alice = await add_user(checker.db)
        pair = await sign_in(checker.db, checker.tokens, alice)
        await checker.check(pair.token)
        other = await asyncpg.connect(database_url)

        await other.execute(sql, alice.id)

        assert await checker.refuses(pair.token)
        await other.close()

    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_is_refused_while_redis_is_frozen_and_afterwards(self, database_url, sql):
        with serving("valkey") as redis:
            async with checker_at(database_url, redis.url) as checker:
                alice = await add_user(checker.db)
                pair = await sign_in(checker.db, checker.tokens, alice)
                await checker.until_cached(pair.token)
                redis.freeze()

                await checker.write(sql, alice.id)
                assert await checker.refuses(pair.token)
                redis.thaw()

                for _ in range(50):
                    assert await checker.refuses(pair.token)
                    await asyncio.sleep(0.01)

    async def test_to_a_new_hash_of_the_same_password_is_granted(self, checker):
        alice = await add_user(checker.db)
        pair = await sign_in(checker.db, checker.tokens, alice)
        await checker.check(pair.token)

        async with checker.db.transaction() as tx:
            await rebind_to_new_hash(
                tx, alice.id, old_hash=Secret(OLD_HASH), new_hash=Secret(NEW_HASH)
            )
            await tx.execute(PASSWORD, alice.id)

        assert await checker.check(pair.token)


class TestAccessAfterSigningOut:
    async def test_of_one_device_is_refused_to_that_one_alone(self, checker):
        alice = await add_user(checker.db)
        phone, laptop = [await sign_in(checker.db, checker.tokens, alice) for _ in range(2)]
        for pair in (phone, laptop, phone, laptop):
            await checker.check(pair.token)

        family = family_of(checker.tokens, phone)
        await in_transaction(
            checker, lambda tx: revoke_family(tx, family, reason="signed out", now=utc_now())
        )

        assert await checker.refuses(phone.token)
        assert await checker.check(laptop.token)

    async def test_of_all_devices_is_refused_to_all(self, checker):
        alice = await add_user(checker.db)
        pairs = [await sign_in(checker.db, checker.tokens, alice) for _ in range(3)]
        for pair in pairs:
            await checker.check(pair.token)

        await in_transaction(
            checker, lambda tx: revoke_all(tx, alice.id, reason="new password", now=utc_now())
        )

        for pair in pairs:
            assert await checker.refuses(pair.token)
        assert await checker.check((await sign_in(checker.db, checker.tokens, alice)).token)

    async def test_after_a_reused_refresh_token_is_refused_to_thief_and_owner(self, checker):
        alice = await add_user(checker.db)
        owners = await sign_in(checker.db, checker.tokens, alice)
        thiefs = await refresh(checker.db, checker.tokens, owners.refresh_token, now=utc_now())
        for pair in (owners, thiefs, owners):
            await checker.check(pair.token)

        with pytest.raises(TokenRefused):
            await refresh(checker.db, checker.tokens, owners.refresh_token, now=utc_now() + HOUR)

        assert await checker.refuses(owners.token)
        assert await checker.refuses(thiefs.token)

    async def test_is_refused_by_every_process_of_the_shop(
        self, cached_checker, checkers_url, redis_server
    ):
        alice = await add_user(cached_checker.db)
        pair = await sign_in(cached_checker.db, cached_checker.tokens, alice)
        async with checker_at(checkers_url, redis_server.url) as other:
            await cached_checker.until_cached(pair.token)
            await other.until_cached(pair.token)

            await in_transaction(
                other, lambda tx: revoke_all(tx, alice.id, reason="signed out", now=utc_now())
            )

            assert await cached_checker.refuses(pair.token)
            assert await other.refuses(pair.token)


async def in_transaction(
    checker: TokenChecker, work: Callable[[Transaction], Awaitable[object]]
) -> None:
    async with checker.db.transaction() as tx:
        await work(tx)
