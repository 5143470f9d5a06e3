"""The profile of a customer, and changes to it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from keyshop.accounts.edit_profile import edit_profile
from keyshop.accounts.errors import AccountInvalid, PasswordNotHere, UserNotFound
from keyshop.accounts.export_user import export_user
from keyshop.accounts.models import Account, ProfileChanges
from keyshop.accounts.rules import DEFAULT_NICKNAME, days_since, days_valid_until
from keyshop.accounts.show_profile import show_profile
from keyshop.accounts.show_statistics import show_statistics
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.cache.protocol import Load, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.wallet.show_balance import show_balance
from tests.factories.customers import PASSWORD, add_alice, enter
from tests.factories.games import NOON, make_game
from tests.factories.sessions import add_user, get_account
from tests.servers import Postgres, connected, copied_database

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
NO_CACHE = PassThrough()

moments = st.integers(-30_000_000, 30_000_000).map(lambda ms: NOON + ms * 100 * MILLISECOND)


class RecordingCache:
    """A cache that stores nothing and records the last key and value."""

    def __init__(self) -> None:
        self.key: CacheKey | None = None
        self.loaded = Loaded(None)

    async def read(self, key: CacheKey | None, load: Load, *, now: Any) -> bytes | None:
        self.key, self.loaded = key, await load()
        return self.loaded.payload


async def profile_of(db: Database, account: Account, *, now=NOON) -> dict[str, Any]:
    shown = msgspec.json.decode(await show_profile(db, NO_CACHE, user_id=account.id, now=now))
    assert shown["success"] is True
    data: dict[str, Any] = shown["data"]
    return data


async def add_order(
    db: Database, account: Account, *, status="COMPLETED", discount="0", quantities=()
) -> None:
    order_id = new_id()
    games = [await make_game(db, slug=new_id()) for _ in quantities]
    async with db.transaction() as tx:
        await tx.execute(
            """INSERT INTO orders (id, "userId", status, subtotal, discount, total)
            VALUES ($1, $2, $3::text::"OrderStatus", 10, $4, 10)""",
            order_id,
            account.id,
            status,
            Decimal(discount),
        )
        for game_id, quantity in zip(games, quantities, strict=True):
            await tx.execute(
                """INSERT INTO order_items (id, "orderId", "gameId", quantity, price)
                VALUES ($1, $2, $3, $4, 5)""",
                new_id(),
                order_id,
                game_id,
                quantity,
            )


class TestProfile:
    async def test_of_a_new_customer_has_every_field(self, db) -> None:
        alice = await add_user(db)

        assert await profile_of(db, alice) == {
            "id": alice.id,
            "email": alice.email,
            "nickname": "Alice",
            "balance": 0,
            "role": "USER",
            "emailVerified": False,
            "createdAt": "2026-06-15T12:00:00.000Z",
            "stats": {
                "gamesPurchased": 0,
                "totalSaved": 0,
                "daysSinceRegistration": 0,
                "emptyFieldsCount": 3,
            },
        }

    async def test_counts_completed_orders_only(self, db) -> None:
        alice, bob = await add_user(db, balance=Decimal("12.30")), await add_user(db)
        await add_order(db, alice, discount="1.50", quantities=(2, 3))
        await add_order(db, alice, discount="0.75", quantities=(1,))
        await add_order(db, alice)
        for other in ("PENDING", "PROCESSING", "FAILED", "CANCELLED"):
            await add_order(db, alice, status=other, discount="9", quantities=(9,))
        await add_order(db, bob, discount="9", quantities=(9,))

        shown = await profile_of(db, alice, now=NOON + 3 * DAY)
        statistics = await show_statistics(db, user_id=alice.id, now=NOON + 3 * DAY)
        balance = await show_balance(db, NO_CACHE, user_id=alice.id, now=NOON)

        assert shown["balance"] == pytest.approx(12.30)
        assert shown["stats"]["gamesPurchased"] == 6
        assert shown["stats"]["totalSaved"] == pytest.approx(2.25)
        assert shown["stats"]["daysSinceRegistration"] == 3
        assert statistics == (
            b'{"success":true,"data":{"totalGames":6,"totalSaved":2.25,"daysSinceRegistration":3,'
            b'"totalOrders":3,"balance":12.30}}'
        )
        assert balance == b'{"success":true,"data":{"balance":12.30,"currency":"EUR"}}'

    async def test_leaves_out_what_is_empty(self, db) -> None:
        alice = await add_user(db, firstName="Alice", lastName="", avatar=None)

        shown = await profile_of(db, alice)

        assert shown["firstName"] == "Alice"
        assert shown["stats"]["emptyFieldsCount"] == 2
        assert not {"lastName", "avatar"} & shown.keys()

    async def test_without_a_nickname_shows_the_default(self, db) -> None:
        alice = await add_user(db, nickname=None)

        shown = await profile_of(db, alice)

        assert shown["nickname"] == alice.nickname == DEFAULT_NICKNAME

    async def test_is_cached_under_the_users_key_until_the_day_count_changes(self, db) -> None:
        alice, cache = await add_user(db), RecordingCache()

        await show_profile(db, cache, user_id=alice.id, now=NOON + 2 * DAY + MILLISECOND)

        assert cache.key is not None
        assert cache.key.name == f"user:{alice.id}:profile"
        assert cache.loaded.valid_until == NOON + 3 * DAY - MILLISECOND

    async def test_of_an_unknown_user_is_not_found(self, db) -> None:
        with pytest.raises(UserNotFound, match=r"^User not found$"):
            await show_profile(db, NO_CACHE, user_id="unknown", now=NOON)
        with pytest.raises(UserNotFound):
            await show_balance(db, NO_CACHE, user_id="unknown", now=NOON)

    @given(moments, moments)
    def test_has_another_day_count_right_after_the_last_valid_moment(self, registered, now) -> None:
        until = days_valid_until(registered, now=now)

        assert until is not None
        assert until >= now
        assert days_since(registered, now=until) == days_since(registered, now=now)
        assert days_since(registered, now=until + MILLISECOND) > days_since(registered, now=now)


class TestChange:
    async def test_changes_only_the_given_fields(self, db) -> None:
        alice = await add_user(db, firstName="Alice", lastName="Smith")

        await edit_profile(db, user_id=alice.id, changes=ProfileChanges(nickname=" Al "), now=NOON)
        shown = await profile_of(db, alice)
        assert (shown["nickname"], shown["firstName"], shown["lastName"]) == (
            "Al",
            "Alice",
            "Smith",
        )

        await edit_profile(
            db,
            user_id=alice.id,
            changes=ProfileChanges(first_name="", last_name="Jones"),
            now=NOON,
        )
        shown = await profile_of(db, alice)
        assert (shown["nickname"], shown["lastName"]) == ("Al", "Jones")
        assert "firstName" not in shown

    async def test_refuses_a_password(self, db, no_db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        changes = ProfileChanges(nickname="Mallory", password="Passw0rd-mallory")

        with pytest.raises(PasswordNotHere, match="PUT /api/user/password"):
            await edit_profile(no_db, user_id=alice.id, changes=changes, now=NOON)

        assert "mallory" not in repr(changes)
        assert (await enter(db, parts, password=PASSWORD)).account.nickname == "Alice"

    @pytest.mark.parametrize(
        "changes",
        [
            {"nickname": ""},
            {"nickname": "x"},
            {"nickname": "x" * 51},
            {"nickname": "Al\nice"},
            {"first_name": "x" * 101},
            {"last_name": "x\x00"},
        ],
    )
    async def test_follows_the_rules_of_registration(self, db, changes) -> None:
        alice = await add_user(db)

        with pytest.raises(AccountInvalid, match=r"^Validation failed: "):
            await edit_profile(db, user_id=alice.id, changes=ProfileChanges(**changes), now=NOON)

        assert await get_account(db, alice.id) == alice

    @pytest.mark.parametrize("nickname", ["x", "x" * 51])
    async def test_accepts_unchanged_values_that_break_newer_rules(self, db, nickname) -> None:
        xavier = await add_user(db, nickname=nickname, firstName="x" * 101)
        unchanged = {"nickname": nickname, "first_name": "x" * 101}

        changes = ProfileChanges(**unchanged, last_name="Smith")
        await edit_profile(db, user_id=xavier.id, changes=changes, now=NOON)

        shown = await profile_of(db, xavier)
        assert (shown["nickname"], shown["lastName"]) == (nickname, "Smith")

    async def test_of_an_unknown_user_is_refused(self, db) -> None:
        with pytest.raises(UserNotFound):
            await edit_profile(
                db, user_id="unknown", changes=ProfileChanges(nickname="Al"), now=NOON
            )


class TestDateBeyondTheCalendar:
    @pytest.mark.parametrize("stored", ["infinity", "-infinity", "9999-12-31", "0001-01-01"])
    async def test_of_registration_does_not_break_the_profile(self, db, stored) -> None:
        alice = await add_user(db)
        async with db.transaction() as tx:
            await tx.execute('UPDATE users SET "createdAt" = $1::text::timestamp', stored)

        shown = await profile_of(db, alice)
        await show_statistics(db, user_id=alice.id, now=NOON)

        assert shown["stats"]["daysSinceRegistration"] >= 0


@pytest_asyncio.fixture
async def loose_db(postgres_server: Postgres, template_database: str) -> AsyncIterator[Database]:
    """A database whose amounts have no precision, so that infinity fits as well as NaN."""
    async with copied_database(postgres_server, template_database) as url:
        async with connected(url) as connection:
            await connection.execute("ALTER TABLE users ALTER balance TYPE numeric")
            await connection.execute("ALTER TABLE orders ALTER discount TYPE numeric")
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        yield database
        await database.close()


class TestAmountThatIsNoNumber:
    """Of another program: PostgreSQL stores NaN, and infinity in a column without precision."""

    async def test_counts_as_0(self, loose_db) -> None:
        for stored in ("NaN", "Infinity", "-Infinity"):
            alice = await add_user(loose_db, balance=Decimal(stored))
            await add_order(loose_db, alice, discount=stored)
            await add_order(loose_db, alice, discount="1.50")

            # msgspec refuses JSON that has NaN or Infinity.
            shown = await profile_of(loose_db, alice)
            statistics = await show_statistics(loose_db, user_id=alice.id, now=NOON)
            balance = await show_balance(loose_db, NO_CACHE, user_id=alice.id, now=NOON)
            async with loose_db.transaction() as tx:
                export = await export_user(tx, user_id=alice.id, by="olga", now=NOON)

            assert (shown["balance"], shown["stats"]["totalSaved"]) == (0, 1.5)
            assert msgspec.json.decode(statistics)["data"]["totalSaved"] == 1.5
            assert msgspec.json.decode(statistics)["data"]["balance"] == 0
            assert msgspec.json.decode(balance)["data"]["balance"] == 0
            # What a customer gets on request is what is stored.
            assert msgspec.json.decode(export)["account"]["balance"] == stored

    async def test_of_a_customer_in_debt_is_shown(self, db) -> None:
        alice = await add_user(db, balance=Decimal("-12.30"))

        assert (await profile_of(db, alice))["balance"] == pytest.approx(-12.30)
