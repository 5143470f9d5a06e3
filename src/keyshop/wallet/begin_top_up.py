"""A customer begins to pay money in."""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from keyshop.accounts.errors import UserNotFound
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.wallet import intent_queries
from keyshop.wallet.errors import TooManyTopUps, TopUpsUnavailable
from keyshop.wallet.ledger import lock_wallet
from keyshop.wallet.models import Intent, IntentState, TopUp
from keyshop.wallet.protocol import PaymentProvider, ProviderUnavailable
from keyshop.wallet.rules import (
    INTENT_LIFE,
    MAX_PENDING,
    check_amount,
    check_currency,
    check_method,
    check_room,
)

_MAX_ATTEMPTS: Final = 5


class TopUpRequest(Struct, frozen=True, kw_only=True):
    """What a customer asks for, not checked yet."""

    user_id: str
    amount: Any
    """A decoded JSON number: whole, or as Decimal."""

    currency: Any
    method: Any


async def begin_top_up(
    db: Database, provider: PaymentProvider | None, request: TopUpRequest, *, now: datetime
) -> TopUp:
    """
    Note that the customer wants to pay, and return where. Only a notification credits anything.

    Raises:
        BadAmount, BadCurrency, BadMethod: the request cannot be met.
        TopUpsUnavailable: the shop has no payment provider.
        ProviderUnavailable: the payment provider does not answer.
        UserNotFound: the account was deleted or erased.
        TooManyTopUps: too many top-ups of this customer are unpaid.
        BalanceTooLarge: with what is unpaid, the balance would exceed the largest one.
    """
    if provider is None:
        raise TopUpsUnavailable
    check_currency(request.currency)
    intent = Intent(
        id=new_id(),
        user_id=request.user_id,
        amount=check_amount(request.amount),
        currency=request.currency,
        method=check_method(request.method),
        state=IntentState.PENDING,
        provider=provider.name,
        provider_id=None,
        transaction_id=None,
        expires_at=now + INTENT_LIFE,
    )
    await db.run(lambda tx: _add(tx, intent, now=now), attempts=_MAX_ATTEMPTS)
    try:
        redirect = await provider.begin(intent)
    except ProviderUnavailable:
        # If it is paid nevertheless, its notification credits it.
        async with db.transaction() as tx:
            await intent_queries.fail(tx, intent.id, now=now)
        raise
    if redirect.provider_id is not None:
        async with db.transaction() as tx:
            await intent_queries.set_provider_id(tx, intent.id, redirect.provider_id, now=now)
    return TopUp(
        id=intent.id,
        amount=intent.amount,
        currency=intent.currency,
        payment_method=intent.method,
        redirect_url=redirect.url,
    )


async def _add(tx: Transaction, intent: Intent, *, now: datetime) -> None:
    wallet = await lock_wallet(tx, intent.user_id)
    if wallet is None or wallet.is_erased:
        raise UserNotFound
    pending = await intent_queries.sum_pending(tx, intent.user_id, now=now)
    if pending.number >= MAX_PENDING:
        raise TooManyTopUps
    check_room(wallet.balance, pending=pending.total, amount=intent.amount)
    await intent_queries.add_intent(tx, intent, now=now)
