"""Addresses of Yahoo with several hyphens, of which another look would make somebody else's."""

import pytest

from keyshop.accounts.addresses import asked, registered
from keyshop.accounts.errors import WrongCredentials
from keyshop.accounts.locks import find_lock
from keyshop.accounts.queries import find_account
from keyshop.accounts.request_reset import request_reset
from tests.keyshop.accounts.mailed import last_mail
from tests.keyshop.accounts.people import add_alice, caller, enter
from tests.shop import NOON

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
            assert await find_account(reader, registered(WRITTEN)) == smith.account
            assert await find_account(reader, asked(JOHN)) == john.account

    async def test_nobody_signs_in_with_what_is_left_of_a_sub_address(self, db, parts) -> None:
        await add_alice(db, parts, email=JOHN)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=WRITTEN)

    async def test_a_forgotten_password_is_mailed_to_who_asked(self, db, parts) -> None:
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
            assert await find_lock(reader, asked(WRITTEN)) is not None
            assert await find_lock(reader, asked(JOHN)) is None
