"""Handlers of mail jobs: the only place where news of an account reaches the mail server."""

from typing import Final

import structlog

from keyshop.accounts.jobs import MailLockNotice, MailReset, MailVerification, MailWelcome
from keyshop.accounts.mails import MailJob, compose
from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.clock import utc_now
from keyshop.mail.send_once import send_once

_log = structlog.get_logger(__name__)

# With delays that grow to ten minutes this is about a day: enough for a server that is down
# overnight, or that makes unknown senders wait (greylisting).
MAX_ATTEMPTS: Final = 150


async def on_account_mail(shop: WorkerShop, job: MailJob) -> None:
    """Send the mail, unless it was sent already or is not needed any more."""
    now = utc_now()
    mail = await compose(shop.db, shop.accounts.email_token_keys, job, shop.public_url, now=now)
    if mail is None:
        _log.info("mail not needed", operation=job.name)
    elif not await send_once(shop.db, shop.mailer, mail, now=now):
        _log.info("mail sent already", operation=job.name, mail_id=mail.id)


HANDLERS: Final[tuple[Handler, ...]] = (
    handler(MailWelcome, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailVerification, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailReset, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailLockNotice, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
)
