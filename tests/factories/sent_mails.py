"""The mails that waiting jobs send."""

from typing import Any

import msgspec

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.jobs import MailLockNotice, MailReset, MailVerification, MailWelcome
from keyshop.accounts.mails import MailJob, compose
from keyshop.kit.database.pool import Database
from keyshop.mail.protocol import Mail
from tests.factories.customers import jobs
from tests.factories.games import NOON

URL = "https://shop.example/"

_KINDS: dict[str, type[MailJob]] = {
    kind.name: kind for kind in (MailWelcome, MailVerification, MailReset, MailLockNotice)
}


async def mailed(db: Database, parts: AccountServices, *, now=NOON, **_: Any) -> list[Mail]:
    """Return the mails of the waiting jobs, the oldest first."""
    composed = [
        await compose(
            db, parts.email_token_keys, msgspec.convert(fields, _KINDS[name]), URL, now=now
        )
        for name, fields in await jobs(db)
    ]
    return [mail for mail in composed if mail is not None]


async def last_mail(db: Database, parts: AccountServices, *, now=NOON) -> Mail:
    return (await mailed(db, parts, now=now))[-1]


def link_token(mail: Mail) -> str:
    """Return the token in the link of a mail."""
    return mail.values["link"].partition("?token=")[2]
