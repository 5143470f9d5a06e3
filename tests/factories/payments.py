"""A payment provider whose notifications the tests sign, and the top-ups that they begin."""

from decimal import Decimal
from typing import Any

import msgspec
from asyncpg import Record

from keyshop.gateways.payments.demo import DemoProvider
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from keyshop.wallet.begin_top_up import TopUpRequest, begin_top_up
from keyshop.wallet.handle_notification import handle_notification
from keyshop.wallet.models import Outcome, TopUp
from keyshop.wallet.settings import PaymentSettings
from keyshop.wallet.signature import sign
from tests.factories.games import NOON

SECRET = Secret("payments-" + "p" * 32)
PAYMENTS = PaymentSettings(provider=DemoProvider("http://shop.test"), secrets=(SECRET,))

_ENCODER = msgspec.json.Encoder(decimal_format="number")


async def begin(
    db: Database, user_id: str, amount: Any = Decimal("25.00"), *, now=NOON, **of_request: Any
) -> TopUp:
    """Begin a top-up by card."""
    fields = {"user_id": user_id, "amount": amount, "currency": "EUR", "method": "card"}
    request = TopUpRequest(**fields | of_request)
    return await begin_top_up(db, PAYMENTS.provider, request, now=now)


def body_of(top_up: TopUp, **fields: Any) -> bytes:
    """Return the notification that the top-up was paid, with other fields."""
    told: dict[str, Any] = {
        "intentId": top_up.id,
        "transactionId": new_id(),
        "email": "alice@example.com",
        "name": "Alice",
        "amount": top_up.amount,
        "currency": top_up.currency,
        "method": "card",
        "status": "completed",
    }
    return _ENCODER.encode(told | fields)


async def notify(db: Database, body: bytes, *, now=NOON) -> Outcome:
    """Send a signed notification."""
    return await handle_notification(db, PAYMENTS.secrets, body, sign(SECRET, body), now=now)


async def intent_of(db: Database, top_up: TopUp) -> Record:
    """Return the stored top-up."""
    async with db.read() as reader:
        record = await reader.fetchrow(
            "SELECT * FROM keyshop.top_up_intents WHERE id = $1", top_up.id
        )
    assert record is not None
    return record
