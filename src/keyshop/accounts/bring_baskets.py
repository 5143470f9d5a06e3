"""What a guest has gathered comes along when the guest becomes a customer."""

from datetime import datetime

import structlog

from keyshop.accounts.models import Caller
from keyshop.accounts.parts import AccountParts
from keyshop.baskets.migrate import migrate_baskets
from keyshop.baskets.models import Migration
from keyshop.kit.database import DatabaseUnavailable, Transaction

_log = structlog.get_logger(__name__)


async def bring_baskets(
    tx: Transaction, parts: AccountParts, user_id: str, caller: Caller, *, now: datetime
) -> Migration | None:
    """
    Move the guest's cart and wishlist to the user; a failure leaves them with the guest.

    Nobody is kept from signing in by a basket: whatever goes wrong is undone, and written down.

    Raises:
        DatabaseUnavailable: the connection is gone, and the transaction with it.
    """
    try:
        async with tx.savepoint():
            return await migrate_baskets(
                tx,
                user_id=user_id,
                session_id=caller.session_id,
                limits=parts.basket_limits,
                now=now,
            )
    except DatabaseUnavailable:
        raise
    except Exception:  # noqa: BLE001 - told in the log, whatever it is
        _log.exception("baskets.migration_failed", user_id=user_id)
        return None
