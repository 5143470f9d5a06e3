"""A customer signs in, and an unknown client learns nothing."""

import asyncio
from contextvars import Context
from datetime import timedelta

import bcrypt
import pytest
from structlog.testing import capture_logs

from keyshop.accounts.check_access import check_access
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import AccountInvalid, TokenRefused, WrongCredentials
from keyshop.accounts.lockout.failures import forget_failures
from keyshop.accounts.lockout.guard import PasswordAttempt, attempt_under_lockout
from keyshop.accounts.models import Credentials
from keyshop.accounts.passwords import PasswordPool, PasswordsBusy, TooManyPasswords
from keyshop.accounts.rules import SIGN_INS_PER_ADDRESS, SIGN_INS_PER_CLIENT
from keyshop.accounts.sessions.families import refresh
from keyshop.accounts.sign_out import sign_out
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import TooMany
from keyshop.kit.limits import take
from tests.factories.customers import (
    ALICE,
    HOME,
    MINUTE,
    OTHER_PASSWORD,
    PASSWORD,
    SECOND,
    add_alice,
    caller,
    carts,
    count,
    enter,
    failed_migrations,
    guest_with,
    lost_after_commit,
    make_account_services,
    refused_inserts,
    select_rows,
)
from tests.factories.games import NOON, make_game
from tests.factories.sessions import add_user

LATER = NOON + timedelta(hours=1)
SHORT = "weak"
DEADLOCK = "40P01"


def cheap_hash(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


async def is_signed_in(db: Database, parts: AccountServices, token: str) -> bool:
    try:
        await check_access(db, PassThrough(), parts.tokens, token, now=NOON)
    except TokenRefused:
        return False
    return True


class TestSigningIn:
    async def test_takes_any_spelling_of_the_address(self, db, parts) -> None:
        alice = await add_alice(db, parts, email="j.doe@gmail.com")

        again = await enter(db, parts, email=" J.D.oe+games@GoogleMail.com", now=LATER)

        assert again.account == alice.account
        assert await is_signed_in(db, parts, again.tokens.token)

    async def test_takes_a_password_that_todays_rules_would_refuse(self, db, parts) -> None:
        await add_user(db, email=ALICE, passwordHash=cheap_hash(SHORT))

        await enter(db, parts, password=SHORT)

    async def test_takes_a_password_beyond_72_bytes_that_was_set_long_ago(self, db, parts) -> None:
        await add_user(db, email=ALICE, passwordHash=cheap_hash("x" * 72))

        await enter(db, make_account_services(PasswordPool(cost=5)), password="x" * 80)

    async def test_is_written_into_the_history(self, db, parts) -> None:
        await add_alice(db, parts, now=NOON - SECOND)

        await enter(db, parts, user_agent="x" * 600, address="198.51.100.9")
        await enter(db, parts, user_agent="A\x00\ud800B", now=NOON + SECOND)
        await enter(db, parts, user_agent=None, now=NOON + 2 * SECOND)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, password=OTHER_PASSWORD, now=NOON + 3 * SECOND)

        registered, *history = await select_rows(
            db, 'SELECT * FROM login_history ORDER BY "createdAt"'
        )
        assert (registered["success"], registered["ipAddress"]) == (True, HOME)
        assert [row["success"] for row in history] == [True, True, True, False]
        assert [row["userAgent"] for row in history] == ["x" * 512, "AB", None, "A browser"]
        assert history[0]["ipAddress"] == "198.51.100.9"

    async def test_to_an_address_without_account_is_in_no_history(self, db, parts) -> None:
        with pytest.raises(WrongCredentials, match=r"^Invalid email or password$"):
            await enter(db, parts)

        assert await count(db, "login_history") == 0

    @pytest.mark.parametrize(
        ("credentials", "sentence"),
        [
            ({"email": "no-address"}, "email must be"),
            ({"email": ""}, "email must be"),
            ({"email": "a\x00@example.com"}, "email must be"),
            ({"email": "a@exa\ud800mple.com"}, "email must be"),
            ({"email": "a\n@example.com"}, "email must be"),
            ({"email": "a" * 250 + "@example.com"}, "email must be"),
            ({"password": ""}, "password must not be empty"),
        ],
    )
    async def test_without_address_or_password_is_refused_first(
        self, no_db, parts, credentials, sentence
    ) -> None:
        with pytest.raises(AccountInvalid, match=f"^Validation failed: {sentence}"):
            await enter(no_db, parts, **credentials)

    @pytest.mark.parametrize("password", ["\x00", "\ud800", "é" * 5000, PASSWORD + "\x00"])
    async def test_with_an_odd_password_is_as_wrong_as_any_other(self, db, parts, password) -> None:
        await add_alice(db, parts)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, password=password)

    async def test_keeps_its_password_out_of_what_is_printed(self) -> None:
        assert PASSWORD not in repr(Credentials(email=ALICE, password=PASSWORD))


class TestGuestsCart:
    async def test_is_moved_once_by_twenty_parallel_sign_ins(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        game_id = await make_game(db)
        session_id = await guest_with(db, game_id, 3)

        entered = await asyncio.gather(
            *(enter(db, parts, session_id=session_id) for _ in range(20))
        )

        assert await carts(db) == {alice.account.id: {game_id: 3}}
        assert [each.migration is not None for each in entered].count(True) == 1

    async def test_stays_with_the_guest_when_it_cannot_be_moved(self, db, parts) -> None:
        await add_alice(db, parts)
        session_id = await guest_with(db, await make_game(db), 3)
        before = await carts(db)

        with capture_logs() as logs:
            async with refused_inserts(db, "cart_items"):
                entered = await enter(db, parts, session_id=session_id)

        assert entered.migration is None
        assert failed_migrations(logs) == [("error", None)]
        assert await is_signed_in(db, parts, entered.tokens.token)
        assert await carts(db) == before
        assert (await enter(db, parts, session_id=session_id)).migration is not None

    async def test_stays_with_the_guest_when_the_database_is_lost_after_the_commit(
        self, db, shared_url, parts
    ) -> None:
        await add_alice(db, parts)
        session_id = await guest_with(db, await make_game(db), 3)
        before = await carts(db)

        with capture_logs() as logs:
            async with lost_after_commit(shared_url) as leaving:
                entered = await enter(leaving, parts, session_id=session_id)

        assert entered.migration is None
        assert failed_migrations(logs) == [("warning", "DatabaseUnavailable")]
        assert await is_signed_in(db, parts, entered.tokens.token)
        assert await carts(db) == before
        assert (await enter(db, parts, session_id=session_id)).migration is not None

    async def test_is_moved_at_the_second_attempt_after_a_collision(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        game_id = await make_game(db)
        session_id = await guest_with(db, game_id, 3)

        async with refused_inserts(db, "cart_items", times=2, sqlstate=DEADLOCK):
            entered = await enter(db, parts, session_id=session_id)

        assert entered.migration is not None
        assert await carts(db) == {alice.account.id: {game_id: 3}}

    async def test_never_blocks_the_sign_in_however_often_it_collides(self, db, parts) -> None:
        await add_alice(db, parts)
        session_id = await guest_with(db, await make_game(db), 3)
        before = await carts(db)

        with capture_logs() as logs:
            async with refused_inserts(db, "cart_items", sqlstate=DEADLOCK):
                entered = await enter(db, parts, session_id=session_id)

        assert entered.migration is None
        assert failed_migrations(logs) == [("warning", "DeadlockDetectedError")]
        assert await is_signed_in(db, parts, entered.tokens.token)
        assert await carts(db) == before

    async def test_never_blocks_the_sign_in_while_its_rows_are_locked(self, db, parts) -> None:
        await add_alice(db, parts)
        session_id = await guest_with(db, await make_game(db), 3)

        async with db.transaction() as other:
            await other.execute("SELECT FROM sessions FOR UPDATE")
            # In its own context, because this one has an open transaction.
            entering = enter(db, parts, session_id=session_id)
            entered = await asyncio.create_task(entering, context=Context())

        assert entered.migration is None
        assert await is_signed_in(db, parts, entered.tokens.token)
        assert (await enter(db, parts, session_id=session_id)).migration is not None

    @pytest.mark.parametrize("session_id", ["", "no such", "\x00", "\ud800", "x" * 5000])
    async def test_of_an_odd_session_is_none(self, db, parts, session_id) -> None:
        await add_alice(db, parts)

        assert (await enter(db, parts, session_id=session_id)).migration is None

    async def test_of_another_user_cannot_be_taken_with_the_users_id(self, db, parts) -> None:
        bob = await add_alice(db, parts, email="bob@example.com")
        game_id = await make_game(db)
        await enter(db, parts, email="bob@example.com", session_id=await guest_with(db, game_id))
        await add_alice(db, parts)

        await enter(db, parts, session_id=bob.account.id)

        assert await carts(db) == {bob.account.id: {game_id: 1}}


class TestCheaperHash:
    async def test_is_replaced_at_the_next_sign_in(self, db) -> None:
        user = await add_user(db, email=ALICE, passwordHash=cheap_hash(PASSWORD))
        stronger = PasswordPool(cost=6)
        strong_parts = make_account_services(stronger)

        entered = await enter(db, strong_parts)
        again = await enter(db, strong_parts)

        [row] = await select_rows(
            db, 'SELECT "passwordHash" AS hash FROM users WHERE id = $1', user.id
        )
        assert row["hash"].startswith("$2b$06$")
        assert await is_signed_in(db, strong_parts, entered.tokens.token)
        assert again.account.password_hash.reveal() == row["hash"]
        stronger.close()

    async def test_signs_no_other_device_out_when_it_is_replaced(self, db, parts) -> None:
        await add_alice(db, parts)
        phone = await enter(db, parts)
        stronger = PasswordPool(cost=5)

        await enter(db, make_account_services(stronger))

        stronger.close()
        assert await is_signed_in(db, parts, phone.tokens.token)
        assert await refresh(db, parts.tokens, phone.tokens.refresh_token, now=NOON)

    async def test_is_replaced_by_ten_devices_at_a_time(self, db) -> None:
        await add_user(db, email=ALICE, passwordHash=cheap_hash(PASSWORD))
        stronger = PasswordPool(cost=5)
        strong_parts = make_account_services(stronger)

        entered = await asyncio.gather(*(enter(db, strong_parts) for _ in range(10)))

        stronger.close()
        assert all([await is_signed_in(db, strong_parts, each.tokens.token) for each in entered])


class TestTooManyAttempts:
    @pytest.mark.parametrize("is_registered", [True, False])
    async def test_for_one_address_are_turned_away_whether_or_not_it_exists(
        self, db, parts, is_registered
    ) -> None:
        if is_registered:
            await add_alice(db, parts)

        async def attempt(number: int) -> object:
            spelling = f"Alice{'' if number % 2 else ' '}@example.com".replace(" ", "")
            try:
                return await enter(
                    db, parts, email=spelling, password="wrong", address=f"192.0.2.{number}"
                )
            except (WrongCredentials, TooMany) as error:
                return error

        outcomes = await asyncio.gather(*map(attempt, range(40)))
        turned_away = [each for each in outcomes if isinstance(each, TooMany)]

        # So were the attempts during the check of the fifth wrong password.
        assert len(turned_away) >= 40 - SIGN_INS_PER_ADDRESS.burst
        assert all(0 < each.retry_after <= 30 for each in turned_away)

    async def test_from_a_client_of_one_customer_do_not_tell_who_that_is(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        await enter(db, parts, address=HOME)

        async def attempt(email: str, second: int) -> str:
            now = NOON + second * SECOND
            with pytest.raises((WrongCredentials, TooMany)) as refused:
                await enter(db, parts, email=email, password="wrong", address=HOME, now=now)
            return str(refused.value)

        for second in range(SIGN_INS_PER_ADDRESS.burst + 3):
            answer = await attempt(ALICE, second)
            assert answer == await attempt("nobody@example.com", second)
        assert answer.startswith("Too many attempts.")

        # Unlocking the address resets the limit of the known client too.
        async with db.transaction() as tx:
            await forget_failures(tx, alice.account)
        await enter(db, parts, address=HOME, now=NOON + MINUTE // 2)

    async def test_from_one_client_are_turned_away_whatever_the_address(self, db, parts) -> None:
        async def attempt(number: int) -> object:
            try:
                return await enter(db, parts, email=f"nobody{number}@example.com")
            except (WrongCredentials, TooMany) as error:
                return type(error)

        outcomes = await asyncio.gather(*map(attempt, range(70)))

        assert (outcomes.count(WrongCredentials), outcomes.count(TooMany)) == (60, 10)

    async def test_are_not_counted_for_the_address_when_they_succeed(self, db, parts) -> None:
        await add_alice(db, parts)

        for number in range(SIGN_INS_PER_ADDRESS.burst + 5):
            await enter(db, parts, address=f"192.0.2.{number}")

    async def test_from_one_client_are_turned_away_though_they_succeed(self, db, parts) -> None:
        await add_alice(db, parts)
        for _ in range(SIGN_INS_PER_CLIENT.burst):
            await enter(db, parts)

        with pytest.raises(TooMany):
            await enter(db, parts)

        await enter(db, parts, now=NOON + SIGN_INS_PER_CLIENT.per)
        await enter(db, parts, address="192.0.2.8")

    async def test_beyond_the_clients_limit_do_not_read_the_history(self, db) -> None:
        for _ in range(SIGN_INS_PER_CLIENT.burst):
            await take(db, SIGN_INS_PER_CLIENT, caller().address, now=NOON)

        async def describe() -> PasswordAttempt:
            raise AssertionError("The history was read before the limit was taken.")

        with pytest.raises(TooMany):
            await attempt_under_lockout(db, caller(), describe, now=NOON).__aenter__()

    async def test_are_not_counted_when_the_password_was_not_verified(self, db, parts) -> None:
        await add_alice(db, parts)
        busy = PasswordPool(threads=1, queue=0, cost=14)
        under_way = asyncio.create_task(busy.hash("x"))
        await asyncio.sleep(0)

        for _ in range(31):
            with pytest.raises(PasswordsBusy):
                await enter(db, make_account_services(busy))

        await under_way
        busy.close()
        await enter(db, parts)

    async def test_are_not_counted_when_too_many_of_one_client_wait(self, db, parts) -> None:
        await add_alice(db, parts)
        quarter = PasswordPool(threads=1, queue=8, cost=12)
        waiting = [asyncio.create_task(quarter.hash("x", client="192.0.2.7")) for _ in range(3)]
        await asyncio.sleep(0)

        for _ in range(31):
            with pytest.raises(TooManyPasswords):
                await enter(db, make_account_services(quarter))

        await enter(db, make_account_services(quarter), address="192.0.2.8")
        await asyncio.gather(*waiting)
        quarter.close()
        await enter(db, parts)


class TestSigningOut:
    async def test_ends_that_device_and_no_other(self, db, parts) -> None:
        await add_alice(db, parts)
        phone, laptop = await enter(db, parts), await enter(db, parts)
        signed_in = await check_access(
            db, PassThrough(), parts.tokens, phone.tokens.token, now=NOON
        )

        await sign_out(db, signed_in, now=NOON + MINUTE)

        assert not await is_signed_in(db, parts, phone.tokens.token)
        assert await is_signed_in(db, parts, laptop.tokens.token)
        with pytest.raises(TokenRefused):
            await refresh(db, parts.tokens, phone.tokens.refresh_token, now=NOON + MINUTE)
