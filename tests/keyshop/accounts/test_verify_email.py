"""An address is verified with a mailed code or link."""

import asyncio
from collections.abc import Awaitable
from contextvars import copy_context
from datetime import timedelta

import pytest

from keyshop.accounts.email_tokens.tokens import (
    Purpose,
    delete_expired_email_tokens,
    issue_email_token,
)
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import (
    AlreadyVerified,
    EmailTokenRefused,
    UserNotFound,
    WrongCredentials,
)
from keyshop.accounts.queries import find_account_by_id
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.send_verification import send_verification
from keyshop.accounts.verify_email import verify_by_code, verify_by_token
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import TooMany
from tests.factories.cached_shop import until
from tests.factories.customers import (
    ALICE,
    MINUTE,
    SECOND,
    add_alice,
    caller,
    count,
    enter,
    select_rows,
)
from tests.factories.games import NOON
from tests.factories.sent_mails import last_mail, link_token


async def is_verified(db: Database, user_id: str) -> bool:
    async with db.read() as reader:
        account = await find_account_by_id(reader, user_id)
    return account is not None and account.email_verified


async def send(db: Database, user_id: str, *, now=NOON) -> None:
    await send_verification(db, user_id=user_id, client_info=caller(), now=now)


def other_code(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


class TestCode:
    async def test_of_the_welcome_verifies_the_address_once(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        code = (await last_mail(db, parts)).values["code"]
        assert len(code) == 6

        await verify_by_code(db, parts, caller(), user_id=alice.id, code=f" {code} ", now=NOON)

        assert await is_verified(db, alice.id)
        with pytest.raises(EmailTokenRefused):
            await verify_by_code(db, parts, caller(), user_id=alice.id, code=code, now=NOON)

    async def test_allows_five_wrong_attempts_even_in_parallel(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        code = (await last_mail(db, parts)).values["code"]

        async def attempt(tried: str) -> bool:
            try:
                await verify_by_code(db, parts, caller(), user_id=alice.id, code=tried, now=NOON)
            except EmailTokenRefused:
                return False
            return True

        assert await asyncio.gather(*(attempt(other_code(code)) for _ in range(4))) == [False] * 4
        assert await asyncio.gather(*(attempt(other_code(code)) for _ in range(4))) == [False] * 4
        assert not await attempt(code)
        assert not await is_verified(db, alice.id)

    async def test_attempts_are_limited_per_client(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        for _ in range(30):
            with pytest.raises(EmailTokenRefused):
                await verify_by_code(db, parts, caller(), user_id=alice.id, code="x", now=NOON)

        with pytest.raises(TooMany):
            await verify_by_code(db, parts, caller(), user_id=alice.id, code="x", now=NOON)

    async def test_is_valid_for_fifteen_minutes(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        code = (await last_mail(db, parts)).values["code"]

        with pytest.raises(EmailTokenRefused, match="Invalid or expired"):
            await verify_by_code(
                db, parts, caller(), user_id=alice.id, code=code, now=NOON + 15 * MINUTE
            )
        last_moment = NOON + 15 * MINUTE - SECOND
        await verify_by_code(db, parts, caller(), user_id=alice.id, code=code, now=last_moment)

    async def test_of_another_customer_is_refused(self, db, parts) -> None:
        await add_alice(db, parts)
        code = (await last_mail(db, parts)).values["code"]
        bob = (await add_alice(db, parts, email="bob@example.com")).account

        with pytest.raises(EmailTokenRefused):
            await verify_by_code(db, parts, caller(), user_id=bob.id, code=code, now=NOON)

    async def test_becomes_invalid_when_another_is_mailed(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        first = (await last_mail(db, parts)).values["code"]
        await send(db, alice.id, now=NOON + SECOND)
        second = (await last_mail(db, parts)).values["code"]

        assert first != second
        with pytest.raises(EmailTokenRefused):
            await verify_by_code(
                db, parts, caller(), user_id=alice.id, code=first, now=NOON + SECOND
            )
        await verify_by_code(db, parts, caller(), user_id=alice.id, code=second, now=NOON + SECOND)

    @pytest.mark.parametrize("code", ["", "é", "\x00", "\ud800", "\u0660" * 6, "0" * 10_000])
    async def test_that_is_malformed_is_refused(self, db, parts, code) -> None:
        alice = (await add_alice(db, parts)).account

        with pytest.raises(EmailTokenRefused):
            await verify_by_code(db, parts, caller(), user_id=alice.id, code=code, now=NOON)

    async def test_mailed_to_an_address_that_has_changed_is_refused(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        mail = await last_mail(db, parts)
        async with db.transaction() as tx:
            await tx.execute("UPDATE users SET email = 'other@example.com'")

        with pytest.raises(EmailTokenRefused):
            await verify_by_code(
                db, parts, caller(), user_id=alice.id, code=mail.values["code"], now=NOON
            )
        with pytest.raises(EmailTokenRefused):
            await verify_by_token(db, parts, caller(), token=link_token(mail), now=NOON)


class TestLink:
    async def test_attempts_are_limited_per_client(self, db, parts) -> None:
        await add_alice(db, parts)
        token = link_token(await last_mail(db, parts))
        later = NOON + 15 * MINUTE
        for _ in range(30):
            with pytest.raises(EmailTokenRefused):
                await verify_by_token(db, parts, caller(), token=token, now=later)

        with pytest.raises(TooMany):
            await verify_by_token(db, parts, caller(), token=token, now=later)

    async def test_verifies_the_address_however_often_it_is_followed(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        token = link_token(await last_mail(db, parts))

        await asyncio.gather(
            *(verify_by_token(db, parts, caller(), token=token, now=NOON) for _ in range(5))
        )
        await verify_by_token(db, parts, caller(), token=token, now=NOON + timedelta(days=2))

        assert await is_verified(db, alice.id)

    async def test_expires_after_fifteen_minutes(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        token = link_token(await last_mail(db, parts))

        with pytest.raises(EmailTokenRefused, match="ask for a new one"):
            await verify_by_token(db, parts, caller(), token=token, now=NOON + 15 * MINUTE)

        assert not await is_verified(db, alice.id)

    @pytest.mark.parametrize("token", ["", ".", "x", "x.y", "\x00.\ud800", "é.ü"])
    async def test_that_is_forged_is_refused_without_a_query(self, no_db, parts, token) -> None:
        with pytest.raises(EmailTokenRefused):
            await verify_by_token(no_db, parts, caller(), token=token, now=NOON)


class TestCollisions:
    async def test_of_two_links_of_one_customer_raise_no_error(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        for _ in range(10):
            async with db.transaction() as tx:
                await tx.execute('UPDATE users SET "emailVerified" = false')
                email_token_ids = [
                    await issue_email_token(tx, Purpose.VERIFY_EMAIL, user_id=alice.id, now=NOON)
                    for _ in range(2)
                ]
            links = [
                parts.email_token_keys.link_token(Purpose.VERIFY_EMAIL, each)
                for each in email_token_ids
            ]

            outcomes = await asyncio.gather(
                *(verify_by_token(db, parts, caller(), token=link, now=NOON) for link in links),
                return_exceptions=True,
            )

            # The second one may be invalid, because the first one invalidates all others.
            assert {type(outcome) for outcome in outcomes} <= {type(None), EmailTokenRefused}
            assert await is_verified(db, alice.id)

    async def test_of_an_erasure_and_a_link_raise_no_error(self, db, parts) -> None:
        for number in range(8):
            alice = (await add_alice(db, parts, email=f"alice{number}@example.com")).account
            (email_token,) = await select_rows(
                db, "SELECT id FROM keyshop.email_tokens WHERE user_id = $1", alice.id
            )
            link = parts.email_token_keys.link_token(Purpose.VERIFY_EMAIL, email_token["id"])

            async def erase(user_id: str = alice.id) -> None:
                async with db.transaction() as tx:
                    await erase_user(tx, user_id=user_id, by="olga", now=NOON)

            erased, followed = await asyncio.gather(
                erase(),
                verify_by_token(db, parts, caller(), token=link, now=NOON),
                return_exceptions=True,
            )

            assert erased is None
            assert followed is None or isinstance(followed, EmailTokenRefused)


class TestAccountDeletedMeanwhile:
    async def test_is_no_error_for_a_reset_request_or_a_wrong_password(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account

        async def is_waited_for() -> bool:
            found = await select_rows(
                db, "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            )
            return len(found) == 2

        async def delete(tx: Transaction) -> None:
            await tx.execute("DELETE FROM users WHERE id = $1", alice.id)
            gone.set()
            await waited.wait()

        async def outcome_of(work: Awaitable[object]) -> object:
            try:
                return await work
            except WrongCredentials as error:
                return type(error)

        gone, waited = asyncio.Event(), asyncio.Event()
        deleting = asyncio.create_task(db.run(delete, attempts=1))
        await gone.wait()
        others = asyncio.gather(
            outcome_of(request_reset(db, ALICE, caller(), now=NOON)),
            outcome_of(enter(db, parts, password="wrong")),
        )
        await until(is_waited_for)
        waited.set()
        await deleting

        assert list(await others) == [None, WrongCredentials]
        assert await count(db, "keyshop.email_tokens") == 0
        assert await count(db, "login_history") == 0


class TestRequestingACode:
    async def test_for_a_verified_address_is_refused(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        token = link_token(await last_mail(db, parts))
        await verify_by_token(db, parts, caller(), token=token, now=NOON)

        with pytest.raises(AlreadyVerified):
            await send(db, alice.id)

    async def test_for_an_unknown_user_is_refused(self, db, parts) -> None:
        with pytest.raises(UserNotFound):
            await send(db, "unknown")

    async def test_too_often_is_refused(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        for _ in range(3):
            await send(db, alice.id)

        with pytest.raises(TooMany):
            await send(db, alice.id)

        await send(db, alice.id, now=NOON + 10 * MINUTE)

    async def test_too_often_from_one_client_is_refused(self, db, parts) -> None:
        for number in range(20):
            someone = await add_alice(db, parts, email=f"{number}@example.com")
            await send(db, someone.account.id)
        another = (await add_alice(db, parts)).account

        with pytest.raises(TooMany):
            await send(db, another.id)

    async def test_leaves_no_row_after_cleanup(self, db, parts) -> None:
        await add_alice(db, parts)

        async with db.transaction() as tx:
            assert await delete_expired_email_tokens(tx, NOON) == 0
            assert await delete_expired_email_tokens(tx, NOON + 16 * MINUTE) == 1

        assert await count(db, "keyshop.email_tokens") == 0

    async def test_is_cleaned_up_without_waiting_for_a_locked_row(self, db, parts) -> None:
        await add_alice(db, parts)
        await add_alice(db, parts, email="bob@example.com")
        elsewhere = copy_context()

        async def clean_up() -> int:
            async with asyncio.timeout(10), db.transaction() as tx:
                return await delete_expired_email_tokens(tx, NOON + 16 * MINUTE)

        async with db.transaction() as tx:
            await tx.execute("SELECT FROM keyshop.email_tokens WHERE email = $1 FOR UPDATE", ALICE)
            assert await asyncio.create_task(clean_up(), context=elsewhere) == 1

        assert await clean_up() == 1
