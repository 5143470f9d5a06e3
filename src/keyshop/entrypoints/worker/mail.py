"""Handlers of mail jobs: the only place where news of accounts and orders reaches the mail server."""

from datetime import datetime
from typing import Final

import structlog

from keyshop.accounts.jobs import MailLockNotice, MailReset, MailVerification, MailWelcome
from keyshop.accounts.mails import MailJob, compose
from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.clock import utc_now
from keyshop.kit.jobs import Job
from keyshop.mail.protocol import Mail
from keyshop.mail.send_once import send_once
from keyshop.orders.jobs import MailOrder, MailUnitRefunded
from keyshop.orders.mails import compose as compose_order_mail

_log = structlog.get_logger(__name__)

# With delays that grow to ten minutes this is about a day: enough for a server that is down
# overnight, or that makes unknown senders wait (greylisting).
MAX_ATTEMPTS: Final = 150


async def on_account_mail(shop: WorkerShop, job: MailJob) -> None:
    """Send the mail, unless it was sent already or is not needed any more."""
    now = utc_now()
    mail = await compose(shop.db, shop.accounts.email_token_keys, job, shop.public_url, now=now)
    await _send(shop, job, mail, now=now)


async def on_order_mail(shop: WorkerShop, job: MailOrder | MailUnitRefunded) -> None:
    """Send the mail, with the order as it is now, unless it was sent already or is not needed."""
    now = utc_now()
    mail = await compose_order_mail(shop.db, shop.orders, job, shop.public_url, now=now)
    await _send(shop, job, mail, now=now)


async def _send(shop: WorkerShop, job: Job, mail: Mail | None, *, now: datetime) -> None:
    if mail is None:
        _log.info("mail not needed", operation=job.name)
    elif not await send_once(shop.db, shop.mailer, mail, now=now):
        _log.info("mail sent already", operation=job.name, mail_id=mail.id)


HANDLERS: Final[tuple[Handler, ...]] = (
    handler(MailWelcome, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailVerification, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailReset, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailLockNotice, on_account_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailOrder, on_order_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
    handler(MailUnitRefunded, on_order_mail, max_attempts=MAX_ATTEMPTS, is_slow=True),
)
