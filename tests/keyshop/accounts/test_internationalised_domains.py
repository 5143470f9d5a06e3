"""Addresses whose domain has letters of other alphabets: one mailbox, however it is written."""

import pytest

from keyshop.accounts.errors import EmailTaken, WrongCredentials
from keyshop.accounts.lockout.failures import find_lock
from keyshop.accounts.request_reset import request_reset
from tests.factories.customers import PASSWORD, add_alice, caller, count, enter
from tests.factories.games import NOON
from tests.factories.sent_mails import last_mail
from tests.factories.sessions import add_user

DECODED = "kunde@bücher.example"
ENCODED = "kunde@xn--bcher-kva.example"
WRITTEN = [DECODED, ENCODED, "Kunde@BÜCHER.Example", " KUNDE@XN--Bcher-KVA.example "]


class TestNewAccount:
    @pytest.mark.parametrize("written", WRITTEN)
    async def test_is_stored_and_mailed_in_one_form(self, db, parts, written) -> None:
        signed_in = await add_alice(db, parts, email=written)

        assert signed_in.account.email == ENCODED
        assert (await last_mail(db, parts)).to == ENCODED
        for other in WRITTEN:
            assert (await enter(db, parts, email=other)).account.id == signed_in.account.id
            with pytest.raises(EmailTaken):
                await add_alice(db, parts, email=other)


@pytest.mark.parametrize("name", ["kunde", "Kunde"])
@pytest.mark.parametrize(
    ("stored", "other"), [("bücher", "xn--bcher-kva"), ("xn--bcher-kva", "bücher")]
)
class TestAccountOfEarlierYears:
    async def test_is_found_in_both_forms(self, db, parts, name, stored, other) -> None:
        email = f"{name}@{stored}.example"
        hashed = await parts.passwords.hash(PASSWORD)
        account = await add_user(db, email=email, passwordHash=hashed)

        for written in (email, f"{name}@{other}.example", f"{name}@{other.upper()}.Example"):
            assert (await enter(db, parts, email=written)).account.id == account.id
            await request_reset(db, written, caller(), now=NOON)
            assert (await last_mail(db, parts)).to == email

    async def test_cannot_be_registered_in_the_other_form(
        self, db, parts, name, stored, other
    ) -> None:
        await add_user(db, email=f"{name}@{stored}.example")

        for domain in (stored, other):
            with pytest.raises(EmailTaken):
                await add_alice(db, parts, email=f"{name}@{domain}.example")

        assert await count(db, "users") == 1


class TestWrongPassword:
    async def test_counts_for_the_account_in_both_forms(self, db, parts) -> None:
        hashed = await parts.passwords.hash(PASSWORD)
        account = await add_user(db, email=DECODED, passwordHash=hashed)

        for form in (DECODED, ENCODED):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, email=form, password="wrong")

        async with db.read() as reader:
            lock = await find_lock(reader, account)
        assert lock is not None
        assert lock.failures == 2
