"""The mails to customers."""

import msgspec
import pytest

from keyshop.accounts.email_tokens.tokens import EmailTokenKeys, Purpose
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import WrongCredentials
from keyshop.accounts.jobs import MailLockNotice, MailWelcome
from keyshop.accounts.mails import compose
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.send_verification import send_verification
from keyshop.accounts.verify_email import verify_by_code
from keyshop.kit.secrets import Secret
from tests.factories.customers import ALICE, MINUTE, SECOND, add_alice, caller, enter, jobs
from tests.factories.games import NOON
from tests.factories.sent_mails import URL, last_mail, mailed
from tests.factories.sessions import add_user

VALUES = {"nickname", "code", "link", "minutes", "shop_url"}


class TestMail:
    async def test_of_each_kind_fills_every_value(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await send_verification(db, user_id=alice.id, client_info=caller(), now=NOON + SECOND)
        await request_reset(db, ALICE, caller(), now=NOON)
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, password="wrong")

        mails = await mailed(db, parts)

        assert [mail.template for mail in mails] == [
            "welcome",
            "verification",
            "reset",
            "lock_notice",
        ]
        assert {mail.to for mail in mails} == {ALICE}
        assert all(set(mail.values) == VALUES for mail in mails)
        assert [mail.values["minutes"] for mail in mails] == ["", "15", "30", ""]
        assert [len(mail.values["code"]) for mail in mails] == [0, 6, 0, 0]
        links = [mail.values["link"].partition("?token=")[0] for mail in mails]
        assert links == [
            "",
            "https://shop.example/api/auth/verify-email",
            "https://shop.example/api/auth/reset-password",
            "https://shop.example/api/auth/forgot-password",
        ]
        assert len({mail.id for mail in mails}) == 4

    async def test_is_the_same_each_time_it_is_composed(self, db, parts) -> None:
        await add_alice(db, parts)

        assert await mailed(db, parts) == await mailed(db, parts)

    async def test_for_a_deleted_account_is_not_composed(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_reset(db, ALICE, caller(), now=NOON)
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM users")

        assert await mailed(db, parts) == []
        gone = MailLockNotice("unknown", "x")
        assert await compose(db, parts.email_token_keys, gone, URL, now=NOON) is None

    async def test_of_a_lock_is_not_composed_for_an_erased_account(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        notice = MailLockNotice(alice.id, "x")
        before = await compose(db, parts.email_token_keys, notice, URL, now=NOON)

        async with db.transaction() as tx:
            await erase_user(tx, user_id=alice.id, by="olga", now=NOON)

        assert before is not None
        assert await compose(db, parts.email_token_keys, notice, URL, now=NOON) is None

    async def test_for_a_changed_address_is_not_composed(self, db, parts) -> None:
        await add_alice(db, parts)
        async with db.transaction() as tx:
            await tx.execute("UPDATE users SET email = 'other@example.com'")

        assert await mailed(db, parts) == []

    async def test_with_an_expired_token_is_not_composed_unless_a_welcome(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await send_verification(db, user_id=alice.id, client_info=caller(), now=NOON)
        await request_reset(db, ALICE, caller(), now=NOON)

        late = await mailed(db, parts, now=NOON + 30 * MINUTE)

        assert [mail.template for mail in late] == ["welcome"]

    async def test_says_how_long_its_link_is_valid_when_sent(self, db, parts) -> None:
        await add_alice(db, parts)
        await request_reset(db, ALICE, caller(), now=NOON)

        later = await mailed(db, parts, now=NOON + 4 * MINUTE + SECOND)

        assert [mail.values["minutes"] for mail in later] == ["10", "25"]

    async def test_with_a_superseded_code_is_not_composed(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        for seconds in (1, 2):
            now = NOON + seconds * MINUTE
            await send_verification(db, user_id=alice.id, client_info=caller(), now=now)

        welcome, verification = await mailed(db, parts, now=NOON + 3 * MINUTE)

        assert (welcome.template, welcome.values["code"]) == ("welcome", "")
        code = verification.values["code"]
        await verify_by_code(
            db, parts, caller(), user_id=alice.id, code=code, now=NOON + 3 * MINUTE
        )

    async def test_without_a_nickname_uses_the_default(self, db, parts) -> None:
        alice = await add_user(db, email=ALICE, nickname=None)
        await request_reset(db, ALICE, caller(), now=NOON)
        notice = MailLockNotice(alice.id, "x")

        [reset] = await mailed(db, parts)
        locked = await compose(db, parts.email_token_keys, notice, URL, now=NOON)

        assert locked is not None
        assert {mail.values["nickname"] for mail in (reset, locked)} == {"Newbie Guy"}

    async def test_of_welcome_that_is_late_has_no_code(self, db, parts) -> None:
        await add_alice(db, parts)
        [in_time] = await mailed(db, parts, now=NOON + 13 * MINUTE)

        [late] = await mailed(db, parts, now=NOON + 13 * MINUTE + SECOND)

        assert in_time.values["code"]
        assert [late.values[name] for name in ("code", "link", "minutes")] == ["", "", ""]
        # The same id, so that it is sent once, however often the job runs.
        assert late.id == in_time.id

    async def test_of_welcome_has_no_code_that_was_used(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        code = (await last_mail(db, parts)).values["code"]
        await verify_by_code(db, parts, caller(), user_id=alice.id, code=code, now=NOON)

        [mail] = await mailed(db, parts)

        assert (mail.template, mail.values["code"], mail.values["link"]) == ("welcome", "", "")

    async def test_for_another_users_token_is_not_composed(self, db, parts) -> None:
        await add_alice(db, parts)
        bob = (await add_alice(db, parts, email="bob@example.com")).account
        [(_, alices), _] = await jobs(db)

        job = MailWelcome(bob.id, msgspec.convert(alices, MailWelcome).proof_id)

        assert await compose(db, parts.email_token_keys, job, URL, now=NOON) is None

    async def test_has_a_code_and_a_link_that_need_the_shops_secret(self, db, parts) -> None:
        await add_alice(db, parts)
        [(_, job)] = await jobs(db)
        values = (await last_mail(db, parts)).values
        other_keys = EmailTokenKeys(Secret("s" * 32))

        assert parts.email_token_keys.is_code(job["proof_id"], values["code"])
        assert other_keys.link_token(Purpose.VERIFY_EMAIL, job["proof_id"]) not in values["link"]
