"""What the mails to customers say, and to whom they go."""

from datetime import datetime, timedelta
from typing import Final, TypeAlias

from keyshop.accounts import queries
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.queries import Recipient
from keyshop.accounts.email_tokens.tokens import EmailTokenKeys, Purpose
from keyshop.accounts.jobs import MailLockNotice, MailReset, MailVerification, MailWelcome
from keyshop.accounts.models import Account
from keyshop.accounts.rules import ERASED_DOMAIN
from keyshop.kit.database.pool import Database
from keyshop.mail.protocol import Mail

MailWithToken: TypeAlias = MailWelcome | MailVerification | MailReset
MailJob: TypeAlias = MailWithToken | MailLockNotice

_TEMPLATES: Final[dict[type[MailWithToken], str]] = {
    MailWelcome: "welcome",
    MailVerification: "verification",
    MailReset: "reset",
}
_VERIFY: Final = "/api/auth/verify-email?token="
_RESET: Final = "/api/auth/reset-password?token="
_FORGOT: Final = "/api/auth/forgot-password"

# A mail that somebody could not open and act on in time would only annoy.
_TO_READ_IT: Final = timedelta(minutes=2)


async def compose(
    db: Database, email_token_keys: EmailTokenKeys, job: MailJob, public_url: str, *, now: datetime
) -> Mail | None:
    """
    Return the mail that the job asks for, which says how long its code and link will be good.

    None: its account is gone or has another address, or what it would bring is used, (nearly) over,
    or no longer what the shop asks for; but somebody new is welcomed all the same, without code and
    link.
    """
    shop_url = public_url.rstrip("/")
    if isinstance(job, MailLockNotice):
        return await _lock_notice(db, job, shop_url)
    async with db.read() as reader:
        found = await email_token_queries.find_recipient(reader, job.proof_id, user_id=job.user_id)
    if found is None:
        return None
    if _is_of_use(job, found, now=now):
        return _with_token(email_token_keys, job, found, shop_url, now=now)
    if isinstance(job, MailWelcome):
        return _mail(_TEMPLATES[MailWelcome], job.proof_id, found, shop_url)
    return None


def _is_of_use(job: MailWithToken, found: Recipient, *, now: datetime) -> bool:
    # Whoever enters the code of an older mail would use up a try of the newest one.
    if found.is_superseded and not isinstance(job, MailReset):
        return False
    return found.used_at is None and now + _TO_READ_IT <= found.expires_at


def _with_token(
    email_token_keys: EmailTokenKeys,
    job: MailWithToken,
    to: Recipient,
    shop_url: str,
    *,
    now: datetime,
) -> Mail:
    is_reset = isinstance(job, MailReset)
    purpose = Purpose.RESET_PASSWORD if is_reset else Purpose.VERIFY_EMAIL
    path = _RESET if is_reset else _VERIFY
    return _mail(
        _TEMPLATES[type(job)],
        job.proof_id,
        to,
        shop_url,
        # Six digits must never open a way to another password.
        code="" if is_reset else email_token_keys.code(job.proof_id),
        link=shop_url + path + email_token_keys.link_token(purpose, job.proof_id),
        minutes=str((to.expires_at - now) // timedelta(minutes=1)),
    )


async def _lock_notice(db: Database, job: MailLockNotice, shop_url: str) -> Mail | None:
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, job.user_id)
    # An erased account keeps its row, and no mailbox.
    if account is None or account.email.endswith(ERASED_DOMAIN):
        return None
    mail_id = f"{job.user_id}-{job.notice_id}"
    return _mail("lock_notice", mail_id, account, shop_url, link=shop_url + _FORGOT)


def _mail(
    template: str,
    mail_id: str,
    to: Recipient | Account,
    shop_url: str,
    *,
    code: str = "",
    link: str = "",
    minutes: str = "",
) -> Mail:
    return Mail(
        id=f"{template}-{mail_id}",
        to=to.email,
        template=template,
        values={
            "nickname": to.nickname,
            "code": code,
            "link": link,
            "minutes": minutes,
            "shop_url": shop_url,
        },
    )
