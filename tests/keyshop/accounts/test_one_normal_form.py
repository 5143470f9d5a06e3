"""Yahoo addresses with several hyphens, which a second normalisation would turn into another address."""

import pytest

from keyshop.accounts.addresses import parse_new_email, parse_sign_in_email
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import WrongCredentials
from keyshop.accounts.lockout.failures import find_lock, forget_failures
from keyshop.accounts.queries import find_account
from keyshop.accounts.request_reset import request_reset
from tests.factories.customers import PASSWORD, add_alice, caller, count, enter
from tests.factories.games import NOON
from tests.factories.sent_mails import last_mail
from tests.factories.sessions import add_user

JOHN = "john@yahoo.com"
WRITTEN = "John-Smith-news@yahoo.com"
SMITH = "john-smith@yahoo.com"


class TestTwoCustomersOfYahoo:
    async def test_both_register_and_each_signs_in_as_who_they_are(self, db, parts) -> None:
        john = await add_alice(db, parts, email=JOHN)
        smith = await add_alice(db, parts, email=WRITTEN)

        assert (john.account.email, smith.account.email) == (JOHN, SMITH)
        assert (await enter(db, parts, email=WRITTEN)).account.id == smith.account.id
        assert (await enter(db, parts, email="john-news@yahoo.com")).account.id == john.account.id
        async with db.read() as reader:
            assert await find_account(reader, parse_new_email(WRITTEN)) == smith.account
            assert await find_account(reader, parse_sign_in_email(JOHN)) == john.account

    async def test_a_shortened_sub_address_signs_in_to_no_account(self, db, parts) -> None:
        await add_alice(db, parts, email=JOHN)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=WRITTEN)

    async def test_a_forgotten_password_is_mailed_to_its_owner(self, db, parts) -> None:
        await add_alice(db, parts, email=JOHN)
        await add_alice(db, parts, email=WRITTEN)

        await request_reset(db, WRITTEN, caller(), now=NOON)

        assert (await last_mail(db, parts)).to == SMITH

    async def test_wrong_passwords_lock_one_and_not_the_other(self, db, parts) -> None:
        await add_alice(db, parts, email=JOHN)
        await add_alice(db, parts, email=WRITTEN)

        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=WRITTEN, password="wrong")

        await enter(db, parts, email=JOHN)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=WRITTEN)
        async with db.read() as reader:
            assert await find_lock(reader, parse_sign_in_email(WRITTEN)) is not None
            assert await find_lock(reader, parse_sign_in_email(JOHN)) is None


class TestAccountOfYahooAsItWasWritten:
    async def test_is_shown_as_locked_and_can_be_unlocked_and_erased(self, db, parts) -> None:
        # Its attempts are counted for john@yahoo.com, as those of john-smith-news are for it.
        hashed = await parts.passwords.hash(PASSWORD)
        smith = await add_user(db, email=SMITH, passwordHash=hashed)
        for number in range(5):
            address = f"198.51.100.{number}"
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=SMITH, password="wrong", address=address)

        async with db.read() as reader:
            lock = await find_lock(reader, smith.email)
        assert lock is not None
        assert lock.failures == 5
        async with db.transaction() as tx:
            assert await forget_failures(tx, smith.email)
        await enter(db, parts, email=SMITH)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=SMITH, password="wrong")
        async with db.transaction() as tx:
            await erase_user(tx, user_id=smith.id, by="olga", now=NOON)
        assert await count(db, "keyshop.sign_in_failures") == 0
        assert await count(db, "keyshop.rate_limits WHERE key LIKE 'sign_ins_per_address%'") == 0
