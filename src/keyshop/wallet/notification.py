"""Decodes payment notifications."""

from decimal import Decimal
from typing import Any, Final, TypeGuard

import msgspec
from msgspec import Struct

from keyshop.wallet.errors import BadNotification, IntentIdMissing

_MAX_ID: Final = 255  # characters
_MAX_STORED: Final = 500  # characters of a text that is kept
# More than any balance; such a payment could not be shown in the books.
_MAX_AMOUNT: Final = Decimal(10) ** 12

# The other fields are not kept.
_STORED: Final = (
    "intentId",
    "transactionId",
    "email",
    "name",
    "surname",
    "amount",
    "currency",
    "method",
    "status",
    "timestamp",
    "hash",
)

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Notification(Struct, frozen=True, kw_only=True):
    """What a payment provider says about a top-up."""

    intent_id: str
    status: str
    transaction_id: str = ""
    """The provider's id of the payment; empty unless it is completed. So are the next two."""

    amount: Decimal = Decimal(0)
    currency: str = ""
    stored: str
    """The fields that are kept, as JSON."""

    @property
    def is_completed(self) -> bool:
        return self.status == "completed"

    @property
    def is_pending(self) -> bool:
        return self.status == "pending"

    @property
    def is_failed(self) -> bool:
        return self.status in {"failed", "cancelled"}


def decode_notification(body: bytes) -> Notification:
    """
    Return the notification.

    Raises:
        IntentIdMissing: it names no top-up.
        BadNotification: it cannot be understood.
    """
    try:
        fields = _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError, ArithmeticError):
        raise BadNotification from None
    if not isinstance(fields, dict):
        raise BadNotification
    intent_id = fields.get("intentId")
    if intent_id is None or intent_id == "":
        raise IntentIdMissing
    status = fields.get("status")
    if not _is_id(intent_id) or not isinstance(status, str):
        raise BadNotification
    stored = _ENCODER.encode({name: _kept(fields.get(name)) for name in _STORED}).decode()
    if status != "completed":
        return Notification(intent_id=intent_id, status=status, stored=stored)
    transaction_id, currency = fields.get("transactionId"), fields.get("currency")
    if not _is_id(transaction_id) or not isinstance(currency, str):
        raise BadNotification
    return Notification(
        intent_id=intent_id,
        status=status,
        transaction_id=transaction_id,
        amount=_amount(fields.get("amount")),
        currency=currency,
        stored=stored,
    )


def _is_id(value: Any) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _MAX_ID
        and value.isascii()
        and value.isprintable()
    )


def _amount(value: Any) -> Decimal:
    if type(value) not in {int, Decimal} or not -_MAX_AMOUNT < value < _MAX_AMOUNT:
        raise BadNotification
    return Decimal(value)


def _kept(value: Any) -> Any:
    """Return a value as PostgreSQL can store it: a short text without NUL, or a number."""
    if isinstance(value, str):
        return value.replace("\0", "")[:_MAX_STORED]
    if type(value) in {int, Decimal} and -_MAX_AMOUNT < value < _MAX_AMOUNT:
        return str(value)
    return None
