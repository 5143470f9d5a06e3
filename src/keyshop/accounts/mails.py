"""The mails to customers: their recipients and contents."""

from collections.abc import Mapping
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

# The templates require every value.
_NO_VALUES: Final[Mapping[str, str]] = {"code": "", "link": "", "minutes": ""}

# A link that expires sooner than this is not mailed: its reader could not use it in time.
_MIN_VALIDITY: Final = timedelta(minutes=2)


async def compose(
    db: Database, keys: EmailTokenKeys, job: MailJob, public_url: str, *, now: datetime
) -> Mail | None:
    """
    Return the mail that the job asks for.

    None: the account was erased or has another address, or the code or link was used, expires too
    soon, or was superseded. A welcome is sent all the same, without code and link.
    """
    shop_url = public_url.rstrip("/")
    if isinstance(job, MailLockNotice):
        return await _lock_notice(db, job, shop_url)
    async with db.read() as reader:
        recipient = await email_token_queries.find_recipient(
            reader, job.proof_id, user_id=job.user_id
        )
    if recipient is None:
        return None
    if _is_useful(job, recipient, now=now):
        return _with_token(keys, job, recipient, shop_url, now=now)
    if isinstance(job, MailWelcome):
        return _mail(_TEMPLATES[MailWelcome], job.proof_id, recipient, shop_url)
    return None


def _is_useful(job: MailWithToken, recipient: Recipient, *, now: datetime) -> bool:
    # An older code is wrong, and entering it would count as an attempt at the newest one.
    if recipient.is_superseded and not isinstance(job, MailReset):
        return False
    return recipient.used_at is None and now + _MIN_VALIDITY <= recipient.expires_at


def _with_token(
    keys: EmailTokenKeys, job: MailWithToken, to: Recipient, shop_url: str, *, now: datetime
) -> Mail:
    is_reset = isinstance(job, MailReset)
    purpose = Purpose.RESET_PASSWORD if is_reset else Purpose.VERIFY_EMAIL
    path = _RESET if is_reset else _VERIFY
    values = {
        # Six digits can be guessed; they must not be enough to reset a password.
        "code": "" if is_reset else keys.code(job.proof_id),
        "link": shop_url + path + keys.link_token(purpose, job.proof_id),
        "minutes": str((to.expires_at - now) // timedelta(minutes=1)),
    }
    return _mail(_TEMPLATES[type(job)], job.proof_id, to, shop_url, values)


async def _lock_notice(db: Database, job: MailLockNotice, shop_url: str) -> Mail | None:
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, job.user_id)
    # An erased account keeps its row but has no mailbox.
    if account is None or account.email.endswith(ERASED_DOMAIN):
        return None
    mail_id = f"{job.user_id}-{job.notice_id}"
    return _mail("lock_notice", mail_id, account, shop_url, {"link": shop_url + _FORGOT})


def _mail(
    template: str,
    mail_id: str,
    to: Recipient | Account,
    shop_url: str,
    values: Mapping[str, str] = _NO_VALUES,
) -> Mail:
    return Mail(
        id=f"{template}-{mail_id}",
        to=to.email,
        template=template,
        values={"nickname": to.nickname, "shop_url": shop_url, **_NO_VALUES, **values},
    )
