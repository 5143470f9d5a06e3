"""What the mails to customers say, and to whom they go."""

from datetime import timedelta
from typing import Final, TypeAlias

from keyshop.accounts import proof_queries, queries
from keyshop.accounts.jobs import MailLockNotice, MailReset, MailVerification, MailWelcome
from keyshop.accounts.proofs import LIVES, ProofKeys, Purpose
from keyshop.accounts.rules import FIRST_LOCK
from keyshop.kit.database import Database
from keyshop.kit.mail import Mail

MailJob: TypeAlias = MailWelcome | MailVerification | MailReset | MailLockNotice

_VERIFY: Final = "/api/auth/verify-email?token="
_RESET: Final = "/api/auth/reset-password?token="


async def compose(
    db: Database, proof_keys: ProofKeys, job: MailJob, public_url: str
) -> Mail | None:
    """
    Return the mail that the job asks for; None: its account is gone or has another address.

    The same job makes the same mail, however often it runs.
    """
    shop_url = public_url.rstrip("/")
    if isinstance(job, MailLockNotice):
        return await _lock_notice(db, job, shop_url)
    if isinstance(job, MailReset):
        return await _with_proof(db, proof_keys, job, "reset", shop_url)
    template = "welcome" if isinstance(job, MailWelcome) else "verification"
    return await _with_proof(db, proof_keys, job, template, shop_url)


async def _with_proof(
    db: Database,
    proof_keys: ProofKeys,
    job: MailWelcome | MailVerification | MailReset,
    template: str,
    shop_url: str,
) -> Mail | None:
    async with db.read() as reader:
        found = await proof_queries.find_recipient(reader, job.proof_id, user_id=job.user_id)
    if found is None:
        return None
    is_reset = isinstance(job, MailReset)
    purpose = Purpose.RESET_PASSWORD if is_reset else Purpose.VERIFY_EMAIL
    path = _RESET if is_reset else _VERIFY
    return Mail(
        id=f"{template}-{job.proof_id}",
        to=found["email"],
        template=template,
        values={
            "nickname": found["nickname"],
            # A code of six digits must never open a way to another password.
            "code": "" if is_reset else proof_keys.code(job.proof_id),
            "link": shop_url + path + proof_keys.link_token(purpose, job.proof_id),
            "minutes": _minutes(LIVES[purpose]),
            "shop_url": shop_url,
        },
    )


async def _lock_notice(db: Database, job: MailLockNotice, shop_url: str) -> Mail | None:
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, job.user_id)
    # An erased account keeps its row, and no mailbox.
    if account is None or account.email.endswith(".invalid"):
        return None
    return Mail(
        id=f"lock_notice-{job.user_id}-{job.notice_id}",
        to=account.email,
        template="lock_notice",
        values={
            "nickname": account.nickname,
            "code": "",
            "link": "",
            "minutes": _minutes(FIRST_LOCK),
            "shop_url": shop_url,
        },
    )


def _minutes(span: timedelta) -> str:
    return str(span // timedelta(minutes=1))
