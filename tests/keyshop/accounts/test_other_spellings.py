"""Accounts that another program stored without normalising their addresses."""

import pytest

from keyshop.accounts.create_user import create_user
from keyshop.accounts.errors import EmailTaken, WrongCredentials
from keyshop.accounts.lockout.failures import find_lock
from keyshop.accounts.models import NewUser
from keyshop.accounts.request_reset import request_reset
from tests.factories.customers import PASSWORD, add_alice, caller, count, enter
from tests.factories.games import NOON
from tests.factories.sent_mails import mailed
from tests.factories.sessions import add_user

STORED = ["Bob@Example.com", "j.doe@gmail.com", "carl@yandex.com"]


@pytest.mark.parametrize("stored", STORED)
class TestAddressAsItWasWritten:
    async def test_signs_in_and_resets_a_password(self, db, parts, stored) -> None:
        hashed = await parts.passwords.hash(PASSWORD)
        account = await add_user(db, email=stored, passwordHash=hashed)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=stored, password="wrong")

        signed_in = await enter(db, parts, email=f" {stored} ")
        await request_reset(db, stored, caller(), now=NOON)

        assert signed_in.account.id == account.id
        assert [mail.to for mail in await mailed(db, parts)] == [stored]
        async with db.read() as reader:
            assert await find_lock(reader, account) is None

    async def test_cannot_be_registered_again(self, db, parts, stored) -> None:
        await add_user(db, email=stored)

        with pytest.raises(EmailTaken):
            await add_alice(db, parts, email=stored)
        with pytest.raises(EmailTaken):
            await create_user(
                db, parts.passwords, NewUser(email=stored, password=PASSWORD), by="olga", now=NOON
            )

        assert await count(db, "users") == 1


class TestAccountInLowerCase:
    async def test_is_found_by_any_spelling_of_its_address(self, db, parts) -> None:
        hashed = await parts.passwords.hash(PASSWORD)
        account = await add_user(db, email="bob+games@outlook.com", passwordHash=hashed)

        signed_in = await enter(db, parts, email="Bob+Games@Outlook.com")

        assert signed_in.account.id == account.id


class TestAccountsOfOneMailbox:
    """One account that another program stored, and one that was registered since."""

    @pytest.mark.parametrize(
        ("typed", "meant"), [("J.Doe@gmail.com", "old"), ("j.doe@gmail.com", "new")]
    )
    async def test_are_distinguished_by_the_exact_spelling(self, db, parts, typed, meant) -> None:
        hashed = await parts.passwords.hash(PASSWORD)
        old = await add_user(db, email="J.Doe@gmail.com", passwordHash=hashed)
        new = await add_alice(db, parts, email="jdoe@gmail.com")

        signed_in = await enter(db, parts, email=typed)

        assert signed_in.account.id == {"old": old.id, "new": new.account.id}[meant]
