"""Move a guest's baskets to the account after a sign-in."""

from datetime import datetime
from typing import Final

import structlog

from keyshop.accounts.models import ClientInfo
from keyshop.baskets.migrate import migrate_baskets
from keyshop.baskets.models import Migration
from keyshop.baskets.owners import MAX_ATTEMPTS
from keyshop.baskets.settings import BasketSettings
from keyshop.kit.database.errors import RETRYABLE, DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

# The longest wait for one lock; a migration takes several.
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '2s'"

_log = structlog.get_logger(__name__)


async def migrate_after_sign_in(
    db: Database, baskets: BasketSettings, user_id: str, client_info: ClientInfo, *, now: datetime
) -> Migration | None:
    """
    Move the guest's cart and wishlist to the user, in a transaction of its own.

    Call it after the commit of the sign-in: a basket never blocks a sign-in. A failure of any kind is
    logged and leaves everything with the guest, whose cookie stays. The next sign-in, or the next
    call to `POST .../migrate`, tries again.

    Returns None when nothing was moved.
    """
    session_id = client_info.session_id
    if session_id is None:
        return None

    async def migrate(tx: Transaction) -> Migration | None:
        await tx.execute(_LOCK_TIMEOUT)
        return await migrate_baskets(tx, baskets, user_id=user_id, session_id=session_id, now=now)

    try:
        return await db.run(migrate, attempts=MAX_ATTEMPTS)
    except (DatabaseUnavailable, *RETRYABLE) as error:
        _log.warning("baskets.migration_failed", user_id=user_id, reason=type(error).__name__)
    except Exception:  # noqa: BLE001 - logged with its traceback, whatever it is
        _log.exception("baskets.migration_failed", user_id=user_id)
    return None
