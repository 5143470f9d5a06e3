"""Whether an access token is still good: asked at every request, answered by the cache."""

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
    """A cache that counts how often it had to ask PostgreSQL."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.loads = 0

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        async def count() -> Loaded:
            self.loads += 1
            return await load()

        return await self._cache.read(key, count, now=now)


class Office:
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

    async def until_kept(self, token: str) -> None:
        """Check until that takes no look at PostgreSQL."""

        async def is_kept() -> bool:
            loads = self.cache.loads
            await self.check(token)
            return self.cache.loads == loads

        await until(is_kept)

    async def write(self, sql: str, *args: object) -> None:
        async with self.db.transaction() as tx:
            await tx.execute(sql, *args)


@asynccontextmanager
async def office_at(database_url: str, redis_url: str | None) -> AsyncIterator[Office]:
    """Run a process of the shop and a relay for the length of a block."""
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(run_relay(database_url, redis_url))
        opened = await parts.enter_async_context(open_cache(database_url, redis_url))
        db = Database(database_url, guard=opened.guard)
        await db.open()
        parts.push_async_callback(db.close)
        yield Office(db, opened.cache)


@pytest.fixture(scope="module")
def redis_server():
    with serving("valkey") as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def offices_url(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    """The address of a database that these tests share, each with people of its own."""
    async with copied_database(postgres_server, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module")
async def warm_office(offices_url: str, redis_server: RedisProcess) -> AsyncIterator[Office]:
    """An office with Redis."""
    async with office_at(offices_url, redis_server.url) as office:
        yield office


@pytest_asyncio.fixture(scope="module")
async def cold_office(
    postgres_server: Postgres, template_database: str
) -> AsyncIterator[tuple[Office, str]]:
    """An office where nothing is kept, and the address of its database."""
    async with (
        copied_database(postgres_server, template_database) as url,
        office_at(url, None) as office,
    ):
        yield office, url


@pytest.fixture(params=["with Redis", "without Redis"])
def office(
    request: pytest.FixtureRequest, warm_office: Office, cold_office: tuple[Office, str]
) -> Office:
    return warm_office if request.param == "with Redis" else cold_office[0]


class TestAccess:
    async def test_is_given_with_the_role_that_the_account_has_now(self, office):
        boss = await add_user(office.db, role="ADMIN")
        pair = await sign_in(office.db, office.tokens, boss)

        found = await office.check(pair.token)

        family = family_of(office.tokens, pair)
        assert found == SignedIn(
            user_id=boss.id, email=boss.email, role=boss.role, family_id=family
        )

    async def test_is_given_warm_without_a_look_at_postgresql(self, warm_office):
        pair = await sign_in(warm_office.db, warm_office.tokens, await add_user(warm_office.db))
        await warm_office.until_kept(pair.token)
        loads = warm_office.cache.loads

        await asyncio.gather(*(warm_office.check(pair.token) for _ in range(200)))

        assert warm_office.cache.loads == loads

    async def test_stays_warm_while_tokens_are_refreshed(self, warm_office):
        pair = await sign_in(warm_office.db, warm_office.tokens, await add_user(warm_office.db))
        await warm_office.until_kept(pair.token)
        loads = warm_office.cache.loads

        following = await refresh(
            warm_office.db, warm_office.tokens, pair.refresh_token, now=utc_now()
        )

        assert await warm_office.check(following.token)
        assert await warm_office.check(pair.token)
        assert warm_office.cache.loads == loads

    async def test_is_refused_with_a_token_whose_sign_in_was_rolled_back(self, office):
        alice = await add_user(office.db)
        invented = office.tokens.sign_access(alice, family_id="none", now=utc_now())

        assert await office.refuses(invented)

    async def test_of_bob_is_not_had_with_the_id_of_alices_sign_in(self, office):
        alice, bob = await add_user(office.db), await add_user(office.db)
        family = family_of(office.tokens, await sign_in(office.db, office.tokens, alice))

        mixed = office.tokens.sign_access(bob, family_id=family, now=utc_now())

        assert await office.refuses(mixed)

    async def test_is_over_with_the_token_however_warm_the_cache(self, warm_office):
        pair = await sign_in(warm_office.db, warm_office.tokens, await add_user(warm_office.db))
        await warm_office.until_kept(pair.token)

        with pytest.raises(TokenRefused):
            await check_access(
                warm_office.db,
                warm_office.cache,
                warm_office.tokens,
                pair.token,
                now=utc_now() + HOUR,
            )

    async def test_of_an_account_with_a_strange_id_is_given_too(self, office):
        # Another application may store any text as an id.
        strange = await add_user(office.db, id="ÿ/{}:*")
        pair = await sign_in(office.db, office.tokens, strange)

        assert (await office.check(pair.token)).user_id == "ÿ/{}:*"


class TestAccessAfterAChange:
    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_of_the_account_is_refused_at_once(self, office, sql):
        alice, bob = await add_user(office.db), await add_user(office.db)
        alices = await sign_in(office.db, office.tokens, alice)
        bobs = await sign_in(office.db, office.tokens, bob)
        for pair in (alices, bobs):
            await office.check(pair.token)
            await office.check(pair.token)

        await office.write(sql, alice.id)

        assert await office.refuses(alices.token)
        assert await office.check(bobs.token)

    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_by_an_application_that_knows_nothing_of_the_shop_is_refused_within_a_second(
        self, warm_office, offices_url, sql
    ):
        alice = await add_user(warm_office.db)
        pair = await sign_in(warm_office.db, warm_office.tokens, alice)
        await warm_office.until_kept(pair.token)
        other = await asyncpg.connect(offices_url)

        await other.execute(sql, alice.id)

        await until(lambda: warm_office.refuses(pair.token), seconds=1.5)
        await other.close()

    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_by_such_an_application_is_refused_at_once_where_nothing_is_kept(
        self, cold_office, sql
    ):
        office, database_url = cold_office
        alice = await add_user(office.db)
        pair = await sign_in(office.db, office.tokens, alice)
        await office.check(pair.token)
        other = await asyncpg.connect(database_url)

        await other.execute(sql, alice.id)

        assert await office.refuses(pair.token)
        await other.close()

    @pytest.mark.parametrize("sql", [ROLE, PASSWORD, DELETION])
    async def test_is_refused_when_redis_goes_away_and_comes_back(self, database_url, sql):
        with serving("valkey") as redis:
            async with office_at(database_url, redis.url) as office:
                alice = await add_user(office.db)
                pair = await sign_in(office.db, office.tokens, alice)
                await office.until_kept(pair.token)
                redis.freeze()

                await office.write(sql, alice.id)
                assert await office.refuses(pair.token)
                redis.thaw()

                for _ in range(50):
                    assert await office.refuses(pair.token)
                    await asyncio.sleep(0.01)

    async def test_to_another_hash_of_the_same_password_is_given(self, office):
        alice = await add_user(office.db)
        pair = await sign_in(office.db, office.tokens, alice)
        await office.check(pair.token)

        async with office.db.transaction() as tx:
            await rebind_to_new_hash(
                tx, alice.id, old_hash=Secret(OLD_HASH), new_hash=Secret(NEW_HASH)
            )
            await tx.execute(PASSWORD, alice.id)

        assert await office.check(pair.token)


class TestAccessAfterSigningOut:
    async def test_of_one_device_is_refused_to_that_one_alone(self, office):
        alice = await add_user(office.db)
        phone, laptop = [await sign_in(office.db, office.tokens, alice) for _ in range(2)]
        for pair in (phone, laptop, phone, laptop):
            await office.check(pair.token)

        family = family_of(office.tokens, phone)
        await within(
            office, lambda tx: revoke_family(tx, family, reason="signed out", now=utc_now())
        )

        assert await office.refuses(phone.token)
        assert await office.check(laptop.token)

    async def test_of_all_devices_is_refused_to_all(self, office):
        alice = await add_user(office.db)
        pairs = [await sign_in(office.db, office.tokens, alice) for _ in range(3)]
        for pair in pairs:
            await office.check(pair.token)

        await within(
            office, lambda tx: revoke_all(tx, alice.id, reason="new password", now=utc_now())
        )

        for pair in pairs:
            assert await office.refuses(pair.token)
        assert await office.check((await sign_in(office.db, office.tokens, alice)).token)

    async def test_by_a_refresh_token_that_came_back_is_refused_to_thief_and_owner(self, office):
        alice = await add_user(office.db)
        owners = await sign_in(office.db, office.tokens, alice)
        thiefs = await refresh(office.db, office.tokens, owners.refresh_token, now=utc_now())
        for pair in (owners, thiefs, owners):
            await office.check(pair.token)

        with pytest.raises(TokenRefused):
            await refresh(office.db, office.tokens, owners.refresh_token, now=utc_now() + HOUR)

        assert await office.refuses(owners.token)
        assert await office.refuses(thiefs.token)

    async def test_is_refused_by_every_process_of_the_shop(
        self, warm_office, offices_url, redis_server
    ):
        alice = await add_user(warm_office.db)
        pair = await sign_in(warm_office.db, warm_office.tokens, alice)
        async with office_at(offices_url, redis_server.url) as other:
            await warm_office.until_kept(pair.token)
            await other.until_kept(pair.token)

            await within(
                other, lambda tx: revoke_all(tx, alice.id, reason="signed out", now=utc_now())
            )

            assert await warm_office.refuses(pair.token)
            assert await other.refuses(pair.token)


async def within(office: Office, work: Callable[[Transaction], Awaitable[object]]) -> None:
    async with office.db.transaction() as tx:
        await work(tx)
