"""Yahoo addresses with several hyphens, whose mailbox cannot be known: old accounts keep theirs."""

import pytest

from keyshop.accounts.addresses import parse_new_email, parse_sign_in_email
from keyshop.accounts.create_user import create_user
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import AccountInvalid, EmailTaken, WrongCredentials
from keyshop.accounts.get_account import get_account
from keyshop.accounts.lockout.failures import find_lock, forget_failures
from keyshop.accounts.models import Account, NewUser
from keyshop.accounts.queries import find_account
from keyshop.accounts.request_reset import request_reset
from keyshop.kit.errors import TooMany
from tests.factories.customers import (
    OTHER_PASSWORD,
    PASSWORD,
    add_alice,
    caller,
    count,
    enter,
    jobs,
)
from tests.factories.games import NOON
from tests.factories.sent_mails import last_mail, mailed
from tests.factories.sessions import add_user

JOHN = "john@yahoo.com"
# The earlier backend stored this one as the second.
WRITTEN = "John-Smith-news@yahoo.com"
SMITH = "john-smith@yahoo.com"


async def add_smith(db, parts, email: str = SMITH, password: str = PASSWORD) -> Account:
    """Store an account as the earlier backend did."""
    return await add_user(db, email=email, passwordHash=await parts.passwords.hash(password))


class TestTwoCustomersOfYahoo:
    async def test_sign_in_each_as_who_they_are(self, db, parts) -> None:
        john = await add_alice(db, parts, email=JOHN)
        smith = await add_smith(db, parts)

        assert (await enter(db, parts, email=WRITTEN)).account.id == smith.id
        assert (await enter(db, parts, email=SMITH.upper())).account.id == smith.id
        assert (await enter(db, parts, email="john-news@yahoo.com")).account.id == john.account.id
        async with db.read() as reader:
            assert (await get_account(reader, WRITTEN)).id == smith.id
            assert await find_account(reader, parse_new_email("john-x@yahoo.com")) == john.account
            assert await find_account(reader, parse_sign_in_email(JOHN)) == john.account

    async def test_a_shortened_sub_address_signs_in_to_no_account(self, db, parts) -> None:
        await add_alice(db, parts, email=JOHN)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=WRITTEN)

    async def test_a_forgotten_password_is_mailed_to_its_owner(self, db, parts) -> None:
        await add_alice(db, parts, email=JOHN)
        await add_smith(db, parts)

        await request_reset(db, WRITTEN, caller(), now=NOON)

        assert (await last_mail(db, parts)).to == SMITH

    async def test_wrong_passwords_lock_one_and_not_the_other(self, db, parts) -> None:
        john = await add_alice(db, parts, email=JOHN)
        smith = await add_smith(db, parts)

        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=WRITTEN, password="wrong")

        await enter(db, parts, email=JOHN)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=SMITH)
        async with db.read() as reader:
            assert await find_lock(reader, smith) is not None
            assert await find_lock(reader, john.account) is None


class TestNeighbouringSpelling:
    @pytest.mark.parametrize("email", [WRITTEN, "john-smith-news-x@yahoo.com", "a--b@yahoo.de"])
    async def test_cannot_be_registered(self, db, parts, email) -> None:
        await add_smith(db, parts)

        with pytest.raises(AccountInvalid, match="at most one hyphen"):
            await add_alice(db, parts, email=email)
        user = NewUser(email=email, password=PASSWORD)
        with pytest.raises(AccountInvalid, match="at most one hyphen"):
            await create_user(db, parts.passwords, user, by="olga", now=NOON)

        assert await count(db, "users") == 1

    async def test_that_an_account_answers_to_cannot_be_registered(self, db, parts) -> None:
        await add_smith(db, parts)

        with pytest.raises(EmailTaken):
            await add_alice(db, parts, email=SMITH)

    async def test_of_an_account_that_exists_does_not_reset_the_counter_of_another(
        self, db, parts
    ) -> None:
        victim = await add_smith(db, parts, email="vic-x@yahoo.com")
        await add_smith(db, parts, email="vic-x-y@yahoo.com", password=OTHER_PASSWORD)

        for number in range(8):
            with pytest.raises((WrongCredentials, TooMany)):
                await enter(db, parts, email="Vic-x@yahoo.com", password=f"Guess-{number}")
            await enter(db, parts, email="vic-x-y@yahoo.com", password=OTHER_PASSWORD)

        async with db.read() as reader:
            lock = await find_lock(reader, victim)
        assert lock is not None
        assert (lock.failures, lock.locked_until is None) == (5, False)

    async def test_of_an_account_that_exists_makes_no_client_known_to_another(
        self, db, parts
    ) -> None:
        await add_smith(db, parts, email="vic-x@yahoo.com")
        await add_smith(db, parts, email="vic-x-y@yahoo.com", password=OTHER_PASSWORD)
        await enter(db, parts, email="vic-x-y@yahoo.com", password=OTHER_PASSWORD)

        for number in range(4):
            address = f"198.51.100.{number}"
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email="vic-x@yahoo.com", password="no", address=address)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, email="vic-x@yahoo.com", password="no")

        # The stranger's guess was the fifth of all unknown clients.
        with pytest.raises(WrongCredentials):
            await enter(db, parts, email="vic-x@yahoo.com", address="203.0.113.1")

    async def test_counts_for_the_account_that_it_finds(self, db, parts) -> None:
        await add_smith(db, parts)
        written = [WRITTEN, SMITH, SMITH.upper(), "JOHN-smith@yahoo.com", "john-smith-x@yahoo.com"]

        for number, email in enumerate(written):
            address = f"198.51.100.{number}"
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=email, password="wrong", address=address)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=SMITH)

    async def test_mails_no_more_resets_than_one(self, db, parts) -> None:
        await add_smith(db, parts)

        for number in range(3):
            await request_reset(db, f"john-smith-{number}@yahoo.com", caller(), now=NOON)
        with pytest.raises(TooMany):
            await request_reset(db, SMITH, caller(), now=NOON)

        assert [mail.to for mail in await mailed(db, parts)] == [SMITH] * len(await jobs(db))


class TestAccountOfYahooAsItWasWritten:
    async def test_is_shown_as_locked_and_can_be_unlocked_and_erased(self, db, parts) -> None:
        for attempts in range(4):
            address = f"203.0.113.{attempts}"
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=SMITH, password="wrong", address=address)
        smith = await add_smith(db, parts)
        for number in range(5):
            address = f"198.51.100.{number}"
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=SMITH, password="wrong", address=address)

        async with db.read() as reader:
            lock = await find_lock(reader, smith)
        assert lock is not None
        assert lock.failures == 5
        async with db.transaction() as tx:
            assert await forget_failures(tx, smith)
        await enter(db, parts, email=SMITH)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=SMITH, password="wrong")
        async with db.transaction() as tx:
            await erase_user(tx, user_id=smith.id, by="olga", now=NOON)
        assert await count(db, "keyshop.sign_in_failures") == 0
        assert await count(db, "keyshop.rate_limits WHERE key LIKE 'sign_ins_per_address%'") == 0
