"""A new password, for a customer who knows the current one or who receives a reset mail."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from keyshop.accounts.change_password import PasswordPair, change_password
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.errors import (
    AccountInvalid,
    EmailRequired,
    EmailTokenRefused,
    PasswordInvalid,
    UserNotFound,
    WrongCredentials,
)
from keyshop.accounts.lockout.errors import Locked
from keyshop.accounts.models import Role, SignedIn, SignInResult
from keyshop.accounts.passwords import PasswordPool, PasswordsBusy
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.reset_password import reset_password
from keyshop.accounts.send_verification import send_verification
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import TooMany
from keyshop.kit.secrets import Secret
from tests.factories.customers import (
    ALICE,
    MINUTE,
    OTHER_PASSWORD,
    PASSWORD,
    add_alice,
    caller,
    count,
    enter,
    jobs,
    make_account_services,
    select_rows,
)
from tests.factories.games import NOON
from tests.factories.sent_mails import last_mail, link_token, mailed
from tests.factories.sessions import add_user, family_of
from tests.keyshop.accounts.test_sign_in import cheap_hash, is_signed_in


async def change(
    db: Database,
    parts: AccountServices,
    device: SignInResult,
    current=PASSWORD,
    new=OTHER_PASSWORD,
    **who,
) -> None:
    await change_password(
        db,
        parts,
        SignedIn(
            user_id=device.account.id,
            email=device.account.email,
            role=device.account.role,
            family_id=family_of(parts.tokens, device.tokens, now=NOON),
        ),
        PasswordPair(current, new),
        caller(**who),
        now=NOON,
    )


async def request_link(db: Database, email=ALICE, *, now=NOON, **who) -> None:
    await request_reset(db, email, caller(**who), now=now)


async def reset(
    db: Database, parts: AccountServices, token: str, new=OTHER_PASSWORD, *, now=NOON
) -> None:
    await reset_password(db, parts, token=token, new_password=new, client_info=caller(), now=now)


class TestChange:
    async def test_takes_the_present_password_and_keeps_only_this_device(self, db, parts) -> None:
        await add_alice(db, parts)
        laptop, phone = await enter(db, parts), await enter(db, parts)

        await change(db, parts, laptop)

        assert await is_signed_in(db, parts, laptop.tokens.token)
        assert not await is_signed_in(db, parts, phone.tokens.token)
        await enter(db, parts, password=OTHER_PASSWORD)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, password=PASSWORD)

    async def test_is_refused_without_the_present_password(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        with pytest.raises(PasswordInvalid, match=r"^Current password is incorrect$"):
            await change(db, parts, alice, current="wrong")

        await enter(db, parts)

    @pytest.mark.parametrize(
        ("passwords", "sentence"),
        [
            (("", OTHER_PASSWORD), "Current password is required"),
            ((PASSWORD, ""), "New password is required"),
            ((PASSWORD, "Sh0rt"), "New password must be at least 8 characters"),
            ((PASSWORD, "alllowercase"), "New password must contain"),
            ((PASSWORD, "Passw0rd" + "x" * 65), "New password must be at most 72 bytes"),
        ],
    )
    async def test_is_refused_first_when_a_password_is_missing_or_unfit(
        self, no_db, parts, passwords, sentence
    ) -> None:
        current, new = passwords

        with pytest.raises(PasswordInvalid, match=f"^{sentence}"):
            await change_password(
                no_db,
                parts,
                SignedIn(user_id="x", email="x", role=Role.USER, family_id="x"),
                PasswordPair(current, new),
                caller(),
                now=NOON,
            )

    async def test_cannot_be_used_to_guess_the_present_password(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        outcomes = []
        for number in range(15):
            with pytest.raises((PasswordInvalid, TooMany)) as refused:
                await change(db, parts, alice, current="wrong", address=f"192.0.2.{number}")
            outcomes.append(refused.type)

        assert outcomes == [PasswordInvalid] * 5 + [Locked] * 5 + [TooMany] * 5
        # As after five wrong passwords at the sign-in.
        assert await count(db, "login_history WHERE NOT success") == 5
        assert [name for name, _ in await jobs(db)].count("mail_lock_notice") == 1

    async def test_with_a_stolen_token_keeps_the_owner_from_nothing(self, db, parts) -> None:
        stolen = await add_alice(db, parts)
        for _ in range(5):
            with pytest.raises(PasswordInvalid):
                await change(db, parts, stolen, current="wrong")

        device = await enter(db, parts)
        await change(db, parts, device)

        assert not await is_signed_in(db, parts, stolen.tokens.token)

    async def test_cannot_be_tried_by_one_client_for_many_accounts(self, db, parts) -> None:
        for number in range(15):
            device = await add_alice(db, parts, email=f"user{number}@example.com")
            for _ in range(4):
                with pytest.raises(PasswordInvalid):
                    await change(db, parts, device, current="wrong")

        with pytest.raises(TooMany):
            await change(db, parts, device, current="wrong")

    async def test_is_possible_for_the_owner_while_strangers_guess_at_the_sign_in(
        self, db, parts
    ) -> None:
        alice = await add_alice(db, parts)
        for number in range(40):
            with pytest.raises((WrongCredentials, TooMany)):
                await enter(db, parts, password="wrong", address=f"198.51.100.{number}")

        await change(db, parts, alice)

        assert await is_signed_in(db, parts, alice.tokens.token)

    async def test_that_was_not_verified_counts_for_nothing(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        busy = PasswordPool(threads=1, queue=-1, cost=4)
        try:
            for _ in range(70):
                with pytest.raises(PasswordsBusy):
                    await change(db, make_account_services(busy), alice)
        finally:
            busy.close()

        await change(db, parts, alice)

    async def test_that_succeeds_counts_for_nothing(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        for number in range(12):
            await change(
                db,
                parts,
                alice,
                f"Passw0rd-{number}" if number else PASSWORD,
                f"Passw0rd-{number + 1}",
            )

    async def test_ends_the_links_that_were_mailed_for_setting_it(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        await request_link(db)
        link = link_token(await last_mail(db, parts))

        await change(db, parts, alice)

        with pytest.raises(EmailTokenRefused):
            await reset(db, parts, link, "Third-passw0rd")
        await enter(db, parts, password=OTHER_PASSWORD)

    async def test_of_an_account_that_is_gone_is_refused(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM users")

        with pytest.raises(UserNotFound):
            await change(db, parts, alice)

    async def test_makes_a_password_that_signs_in_afterwards(self, db, parts) -> None:
        await add_user(db, email=ALICE, passwordHash=cheap_hash("old"))
        alice = await enter(db, parts, password="old")

        await change(db, parts, alice, current="old", new="Passw0rd" + "x" * 64)

        await enter(db, parts, password="Passw0rd" + "x" * 64)


class TestAskingForAReset:
    async def test_changes_nothing_of_the_account(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        await request_link(db)

        await enter(db, parts)
        assert await is_signed_in(db, parts, alice.tokens.token)

    async def test_finds_the_account_by_any_spelling(self, db, parts) -> None:
        await add_alice(db, parts, email="jdoe@gmail.com")

        await request_link(db, "J.Doe+x@googlemail.com")

        mail = await last_mail(db, parts)
        assert (mail.template, mail.to) == ("reset", "jdoe@gmail.com")

    async def test_does_the_same_for_an_address_without_account(self, db, parts) -> None:
        await add_alice(db, parts)

        await request_link(db)
        await request_link(db, "nobody@example.com")

        asked = [job for name, job in await jobs(db) if name == "mail_reset"]
        assert [sorted(job) for job in asked] == [["proof_id", "user_id"]] * 2
        assert [mail.to for mail in await mailed(db, parts)] == [ALICE, ALICE]

    @pytest.mark.parametrize("email", ["", "  "])
    async def test_needs_an_address(self, no_db, parts, email) -> None:
        with pytest.raises(EmailRequired, match=r"^Email is required$"):
            await request_link(no_db, email)

    async def test_without_a_possible_address_is_refused(self, no_db, parts) -> None:
        with pytest.raises(AccountInvalid):
            await request_link(no_db, "a\x00@example.com")

    @pytest.mark.parametrize("is_registered", [True, False])
    async def test_is_limited_by_address_whether_or_not_it_exists(
        self, db, parts, is_registered
    ) -> None:
        if is_registered:
            await add_alice(db, parts)
        for number in range(3):
            await request_link(db, address=f"192.0.2.{number}")

        with pytest.raises(TooMany) as refused:
            await request_link(db, address="192.0.2.200")

        assert 0 < refused.value.retry_after <= 3600

    async def test_brings_one_mail_an_hour_when_an_unknown_client_asks(self, db, parts) -> None:
        await add_alice(db, parts)
        sent = 0
        for quarter in range(24 * 4):
            with suppress(TooMany):
                await request_link(db, now=NOON + quarter * 15 * MINUTE)
                sent += 1

        assert sent <= 3 + 24

    async def test_does_not_keep_the_owner_from_the_code(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        for number in range(3):
            await request_link(db, address=f"192.0.2.{number}")

        await send_verification(db, user_id=alice.id, client_info=caller(), now=NOON + MINUTE)

        assert (await last_mail(db, parts)).template == "verification"

    async def test_is_limited_by_client(self, db, parts) -> None:
        for number in range(20):
            await request_link(db, f"nobody{number}@example.com")

        with pytest.raises(TooMany):
            await request_link(db, "nobody@example.com")


class TestReset:
    async def test_sets_the_password_and_signs_all_devices_out(self, db, parts) -> None:
        laptop = await add_alice(db, parts)
        phone = await enter(db, parts)
        await request_link(db)

        await reset(db, parts, link_token(await last_mail(db, parts)))

        assert not await is_signed_in(db, parts, laptop.tokens.token)
        assert not await is_signed_in(db, parts, phone.tokens.token)
        ended = await select_rows(db, "SELECT DISTINCT revoked_reason FROM keyshop.token_families")
        assert [row["revoked_reason"] for row in ended] == ["password reset"]
        again = await enter(db, parts, password=OTHER_PASSWORD)
        assert again.account.email_verified
        with pytest.raises(WrongCredentials):
            await enter(db, parts)

    async def test_works_once_even_ten_times_at_once(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        token = link_token(await last_mail(db, parts))

        outcomes = await asyncio.gather(
            *(reset(db, parts, token, f"Passw0rd-{number}") for number in range(10)),
            return_exceptions=True,
        )

        assert outcomes.count(None) == 1
        refused = [each for each in outcomes if each is not None]
        assert {type(each) for each in refused} == {EmailTokenRefused}
        await enter(db, parts, password=f"Passw0rd-{outcomes.index(None)}")

    async def test_uses_up_the_links_that_were_mailed_before(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        first = link_token(await last_mail(db, parts))
        await request_link(db)
        await reset(db, parts, link_token(await last_mail(db, parts)))

        with pytest.raises(EmailTokenRefused, match="ask for a new one"):
            await reset(db, parts, first)

    async def test_is_possible_for_half_an_hour(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        token = link_token(await last_mail(db, parts))

        with pytest.raises(EmailTokenRefused):
            await reset(db, parts, token, now=NOON + 30 * MINUTE)
        await reset(db, parts, token, now=NOON + 30 * MINUTE - timedelta(seconds=1))

    async def test_is_tried_by_one_client_for_a_while(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        token = link_token(await last_mail(db, parts))
        for _ in range(30):
            with pytest.raises(EmailTokenRefused):
                await reset(db, parts, token, now=NOON + 30 * MINUTE)

        with pytest.raises(TooMany):
            await reset(db, parts, token, now=NOON + 30 * MINUTE)

    async def test_leaves_the_link_good_when_the_password_is_unfit(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        token = link_token(await last_mail(db, parts))

        with pytest.raises(AccountInvalid, match="password must be at least"):
            await reset(db, parts, token, "short")

        await reset(db, parts, token)

    async def test_unlocks_the_account(self, db, parts) -> None:
        await add_alice(db, parts)
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, password="wrong")
        await request_link(db)

        await reset(db, parts, link_token(await last_mail(db, parts)))

        await enter(db, parts, password=OTHER_PASSWORD)

    async def test_of_an_account_whose_address_has_changed_is_refused(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        token = link_token(await last_mail(db, parts))
        async with db.transaction() as tx:
            await tx.execute("UPDATE users SET email = 'other@example.com'")

        with pytest.raises(EmailTokenRefused):
            await reset(db, parts, token)

    @pytest.mark.parametrize("token", ["", ".", "x.y", "\x00.\ud800", "é.ü", "." * 5000])
    async def test_with_a_made_up_link_is_refused_without_the_database(
        self, no_db, parts, token
    ) -> None:
        with pytest.raises(EmailTokenRefused):
            await reset(no_db, parts, token)

    async def test_with_the_link_of_a_verification_is_refused(self, db, parts) -> None:
        await add_alice(db, parts)
        welcome = await last_mail(db, parts)

        with pytest.raises(EmailTokenRefused):
            await reset(db, parts, link_token(welcome))

    async def test_works_after_the_secret_was_rotated_once(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        token = link_token(await last_mail(db, parts))
        new = Secret("n" * 32)
        rotated = EmailTokenKeys(new, parts.email_token_keys.current)

        with pytest.raises(EmailTokenRefused):
            await reset(db, replaced(parts, EmailTokenKeys(new)), token)
        await reset(db, replaced(parts, rotated), token)

    async def test_leaves_no_secret_in_the_database(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_link(db)
        signature = link_token(await last_mail(db, parts)).partition(".")[2]

        stored = await select_rows(db, "SELECT * FROM keyshop.email_tokens")
        queued = await select_rows(db, "SELECT * FROM keyshop.pgqueuer")

        assert len(signature) == 43
        assert signature not in repr([*map(dict, stored), *map(dict, queued)])
        assert await count(db, "keyshop.email_tokens") == 2


def replaced(parts: AccountServices, email_token_keys: EmailTokenKeys) -> AccountServices:
    return AccountServices(
        tokens=parts.tokens, passwords=parts.passwords, email_token_keys=email_token_keys
    )
