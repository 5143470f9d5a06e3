"""A top-up, for the page on which it is paid."""

from datetime import datetime

from keyshop.kit.database.pool import Database
from keyshop.wallet import intent_queries
from keyshop.wallet.errors import PaymentNotFound
from keyshop.wallet.models import Intent


async def get_payable(db: Database, intent_id: str, *, provider: str, now: datetime) -> Intent:
    """
    Return a top-up that waits for its payment.

    Raises:
        PaymentNotFound: there is none of this provider, or it is paid or expired.
    """
    async with db.read() as reader:
        intent = await intent_queries.find_intent(reader, intent_id)
    if intent is None or intent.provider != provider or not intent.is_payable(now):
        raise PaymentNotFound
    return intent
