"""An operator explains what other programs did to a customer's balance and ledger."""

from datetime import datetime

from keyshop.accounts.errors import UserNotFound
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.wallet import statement_queries
from keyshop.wallet.ledger import lock_wallet
from keyshop.wallet.models import Adopted


async def adopt_changes(
    tx: Transaction, user_id: str, *, reason: str, by: str, now: datetime
) -> Adopted:
    """
    Mark all changes that are not explained yet as explained by the reason; no money moves.

    Raises:
        UserNotFound: there is no such account.
    """
    if await lock_wallet(tx, user_id) is None:
        raise UserNotFound
    adopted = await statement_queries.adopt(tx, user_id, by=by, reason=reason, now=now)
    if adopted.changes:
        await record(
            tx,
            actor=by,
            action="wallet.adopt",
            subject=Subject("user", user_id),
            details={
                "reason": reason,
                "changes": adopted.changes,
                "balance": str(adopted.balance),
                "ledger": str(adopted.ledger),
            },
            now=now,
        )
    return adopted
