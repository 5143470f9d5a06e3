"""Decisions about money, without any I/O."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

from keyshop.kit.money import cents
from keyshop.wallet.errors import BadAmount, BadCurrency, BadMethod, BalanceTooLarge
from keyshop.wallet.models import Intent, IntentState, Outcome, TopUpMethod, Verdict, Wallet
from keyshop.wallet.notification import Notification

CURRENCY: Final = "EUR"
MIN_AMOUNT: Final = Decimal("0.01")  # EUR
MAX_AMOUNT: Final = Decimal("1000000.00")  # EUR
MAX_BALANCE: Final = Decimal("1000000.00")  # EUR; refunds alone may exceed it
MAX_PENDING: Final = 20
"""Unpaid top-ups of one customer at a time."""

INTENT_LIFE: Final = timedelta(hours=24)

_is_amount: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?").fullmatch


def check_amount(value: object) -> Decimal:
    """
    Return the amount of a decoded JSON number, in EUR with two decimals.

    Numbers with a fraction must be decoded as Decimal: a float may have lost what was sent.

    Raises:
        BadAmount: it is no such number, or not within the limits.
    """
    if type(value) not in {int, Decimal}:
        raise BadAmount
    amount = Decimal(value)  # type: ignore[arg-type]
    if not amount.is_finite() or not MIN_AMOUNT <= amount <= MAX_AMOUNT or amount != cents(amount):
        raise BadAmount
    return cents(amount)


def parse_amount(text: str) -> Decimal:
    """
    Return the amount that an operator typed, in EUR with two decimals.

    Raises:
        BadAmount: it is not digits with at most two decimals after a point, or not within the limits.
    """
    if not _is_amount(text):
        raise BadAmount
    return check_amount(Decimal(text))


def check_currency(currency: object) -> None:
    """
    Check the currency of a top-up.

    Raises:
        BadCurrency: it is not the shop's.
    """
    if currency != CURRENCY:
        raise BadCurrency


def check_method(method: object) -> TopUpMethod:
    """
    Return the method of a top-up.

    Raises:
        BadMethod: the shop has none of this name.
    """
    try:
        return TopUpMethod(method)  # type: ignore[arg-type]
    except ValueError:
        raise BadMethod from None


def check_room(balance: Decimal, *, pending: Decimal, amount: Decimal) -> None:
    """
    Check that the balance can take this amount beside all that is pending.

    Raises:
        BalanceTooLarge: it cannot, or is no number.
    """
    total = balance + pending + amount
    if not total.is_finite() or total > MAX_BALANCE:
        raise BalanceTooLarge


def judge(
    notification: Notification, intent: Intent, wallet: Wallet | None, *, is_known: bool
) -> Verdict:
    """
    Decide what a notification leads to.

    Args:
        notification: What the provider says.
        intent: The top-up that it names.
        wallet: The customer's wallet; None: the customer was deleted.
        is_known: Whether a line of the ledger has this payment's id.
    """
    if not notification.is_completed:
        return _judge_unpaid(notification, intent)
    if intent.state in {IntentState.COMPLETED, IntentState.HELD}:
        if notification.transaction_id == (intent.transaction_id or intent.noted_payment):
            return Verdict(Outcome.REPEATED)
        return Verdict(Outcome.SECOND_PAYMENT, f"paid again as {notification.transaction_id}")
    reason = _find_obstacle(notification, intent, wallet, is_known=is_known)
    return Verdict(Outcome.HELD, reason) if reason else Verdict(Outcome.CREDITED)


def _judge_unpaid(notification: Notification, intent: Intent) -> Verdict:
    if notification.is_pending:
        return Verdict(Outcome.IGNORED)
    if not notification.is_failed:
        return Verdict(Outcome.IGNORED, "the shop does not know this status of a payment")
    if intent.state is IntentState.PENDING:
        return Verdict(Outcome.FAILED)
    if intent.state is IntentState.COMPLETED:
        return Verdict(Outcome.IGNORED, "a payment that was credited has failed since")
    return Verdict(Outcome.IGNORED)


def _find_obstacle(
    notification: Notification, intent: Intent, wallet: Wallet | None, *, is_known: bool
) -> str | None:
    if (notification.amount, notification.currency) != (intent.amount, intent.currency):
        return "another amount or currency was paid"
    if is_known:
        return "this payment was credited for another top-up"
    if wallet is None or wallet.is_erased:
        return "the customer was deleted or erased"
    if wallet.balance + intent.amount > MAX_BALANCE:
        return f"the balance would exceed {MAX_BALANCE:.0f} {CURRENCY}"
    return None
