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

    A payment that does not fit its top-up is held, with an error in the log for an operator.

    Raises:
        BadPaymentSignature: the signature is missing, or not that of this body.
        IntentIdMissing: the notification names no top-up.
        BadNotification: it cannot be understood.
        PaymentNotFound: there is no such top-up.
    """
    if not is_signed(secrets, body, signature):
        raise BadPaymentSignature
    told = decode_notification(body)
    # Two notifications of different top-ups may name one payment; the second then finds it.
    verdict = await db.run(
        lambda tx: _apply(tx, told, now=now),
        attempts=_MAX_ATTEMPTS,
        retryable=(*RETRYABLE, asyncpg.UniqueViolationError),
    )
    if verdict.reason:
        _log.error(
            "top_up.needs_operator",
            intent=told.intent_id,
            outcome=verdict.outcome.value,
            reason=verdict.reason,
        )
    return verdict.outcome


async def _apply(tx: Transaction, told: Notification, *, now: datetime) -> Verdict:
    found = await intent_queries.find_intent(tx, told.intent_id)
    if found is None:
        raise PaymentNotFound
    wallet = await lock_wallet(tx, found.user_id)
    intent = await intent_queries.lock_intent(tx, told.intent_id)
    if intent is None:
        raise PaymentNotFound
    known = told.is_completed and await intent_queries.is_known(tx, told.transaction_id)
    verdict = judge(told, intent, wallet, is_known=known)
    if wallet is None or wallet.is_erased:
        # Otherwise a late notification would bring back what the erasure has removed.
        told = replace(told, stored=redact_json(told.stored, []))
    await _carry_out(tx, verdict, told, intent, now=now)
    return verdict


async def _carry_out(
    tx: Transaction, verdict: Verdict, told: Notification, intent: Intent, *, now: datetime
) -> None:
    match verdict.outcome:
        case Outcome.CREDITED:
            payment = Payment(
                method=intent.method,
                description="Top-up",
                hash=told.transaction_id,
                response=told.stored,
            )
            await credit(tx, user_id=intent.user_id, amount=intent.amount, payment=payment, now=now)
            await intent_queries.complete(
                tx,
                intent.id,
                transaction_id=told.transaction_id,
                notification=told.stored,
                now=now,
            )
        case Outcome.HELD:
            await intent_queries.hold(
                tx, intent.id, reason=verdict.reason, notification=told.stored, now=now
            )
        case Outcome.SECOND_PAYMENT:
            await intent_queries.note(
                tx, intent.id, reason=verdict.reason, notification=told.stored, now=now
            )
        case Outcome.FAILED:
            await intent_queries.fail(tx, intent.id, now=now)
        case Outcome.REPEATED | Outcome.IGNORED:
            pass
