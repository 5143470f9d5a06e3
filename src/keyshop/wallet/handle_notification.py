"""A payment provider says what became of a top-up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import structlog
from msgspec.structs import replace

from keyshop.accounts.redact import redact_json
from keyshop.kit.database.errors import RETRYABLE
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import ShopError
from keyshop.kit.secrets import Secret
from keyshop.wallet import intent_queries
from keyshop.wallet.errors import BadPaymentSignature, PaymentNotFound
from keyshop.wallet.ledger import credit, lock_wallet
from keyshop.wallet.models import Intent, Outcome, Payment, Verdict
from keyshop.wallet.notification import Notification, decode_notification
from keyshop.wallet.rules import judge
from keyshop.wallet.signature import is_signed

_MAX_ATTEMPTS: Final = 5

_log = structlog.get_logger(__name__)


async def handle_notification(
    db: Database, secrets: Sequence[Secret], body: bytes, signature: str | None, *, now: datetime
) -> Outcome:
    """
    Credit the top-up that a signed notification says is paid, once.

    A payment that does not fit its top-up is held, with an error in the log for an operator; so is
    whatever else the provider has signed and the shop cannot follow.

    Raises:
        BadPaymentSignature: the signature is missing, or not that of this body.
        IntentIdMissing: the notification names no top-up.
        BadNotification: it cannot be understood.
        PaymentNotFound: there is no such top-up.
    """
    if not is_signed(secrets, body, signature):
        raise BadPaymentSignature
    try:
        notification = decode_notification(body)
    except ShopError as error:
        # The provider has signed it, so a payment may be in it.
        _alarm("refused", str(error))
        raise
    # Two notifications of different top-ups may name one payment; the second then finds it.
    verdict = await db.run(
        lambda tx: _apply(tx, notification, now=now),
        attempts=_MAX_ATTEMPTS,
        retryable=(*RETRYABLE, asyncpg.UniqueViolationError),
    )
    if verdict is None:
        _alarm("refused", "it names no top-up of the shop", notification.intent_id)
        raise PaymentNotFound
    if verdict.reason:
        _alarm(verdict.outcome.value, verdict.reason, notification.intent_id)
    return verdict.outcome


def _alarm(outcome: str, reason: str, intent_id: str | None = None) -> None:
    _log.error("top_up.needs_operator", intent=intent_id, outcome=outcome, reason=reason)


async def _apply(tx: Transaction, notification: Notification, *, now: datetime) -> Verdict | None:
    """Do what the notification leads to; None: there is no such top-up."""
    found = await intent_queries.find_intent(tx, notification.intent_id)
    if found is None:
        return None
    wallet = await lock_wallet(tx, found.user_id)
    intent = await intent_queries.lock_intent(tx, notification.intent_id)
    if intent is None:
        return None
    known = notification.is_completed and await intent_queries.is_known(
        tx, notification.transaction_id
    )
    verdict = judge(notification, intent, wallet, is_known=known)
    if wallet is None or wallet.is_erased:
        # Otherwise a late notification would bring back what the erasure has removed.
        notification = replace(notification, stored=redact_json(notification.stored, []))
    await _carry_out(tx, verdict, notification, intent, now=now)
    return verdict


async def _carry_out(
    tx: Transaction, verdict: Verdict, notification: Notification, intent: Intent, *, now: datetime
) -> None:
    match verdict.outcome:
        case Outcome.CREDITED:
            payment = Payment(
                method=intent.method,
                description="Top-up",
                hash=notification.transaction_id,
                response=notification.stored,
            )
            await credit(tx, user_id=intent.user_id, amount=intent.amount, payment=payment, now=now)
            await intent_queries.complete(
                tx,
                intent.id,
                transaction_id=notification.transaction_id,
                notification=notification.stored,
                now=now,
            )
        case Outcome.HELD:
            await intent_queries.hold(
                tx, intent.id, reason=verdict.reason, notification=notification.stored, now=now
            )
        case Outcome.SECOND_PAYMENT:
            await intent_queries.note(tx, intent.id, reason=verdict.reason, now=now)
        case Outcome.FAILED:
            await intent_queries.fail(tx, intent.id, now=now)
        case Outcome.REPEATED | Outcome.IGNORED:
            pass
