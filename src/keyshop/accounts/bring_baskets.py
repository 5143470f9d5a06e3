"""What a guest has gathered comes along when the guest becomes a customer."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeAlias

import structlog
from msgspec.structs import replace

from keyshop.accounts.models import ClientInfo
from keyshop.accounts.services import AccountServices, SignInResult
from keyshop.baskets.migrate import migrate_baskets
from keyshop.baskets.models import Migration
from keyshop.baskets.owners import successor_id
from keyshop.kit.database.errors import RETRYABLE, DatabaseBusy, DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

Entering: TypeAlias = Callable[[Transaction, ClientInfo], Awaitable[SignInResult]]

_ATTEMPTS: Final = 3


_WAIT_A_MOMENT: Final = "SET LOCAL lock_timeout = '2s'"
_WAIT: Final = "SET LOCAL lock_timeout = DEFAULT"

_log = structlog.get_logger(__name__)


async def enter_with_baskets(db: Database, enter: Entering, caller: ClientInfo) -> SignInResult:
    """
    Sign somebody in, again when that collides with others, and at last without the baskets.

    `enter` does so in one transaction, for a caller who may come with a guest's session.
    """
    try:
        return await db.run(lambda tx: enter(tx, caller), attempts=_ATTEMPTS)
    except RETRYABLE:
        _log.warning("baskets.migration_collided")
    alone = replace(caller, session_id=None)
    return await db.run(lambda tx: enter(tx, alone), attempts=_ATTEMPTS)


async def bring_baskets(
    tx: Transaction, parts: AccountServices, user_id: str, caller: ClientInfo, *, now: datetime
) -> Migration | None:
    """
    Move the guest's cart and wishlist to the user; a failure leaves them with the guest.

    Nobody is kept from signing in by a basket: whatever goes wrong is undone, and written down; so is
    another who holds one of its rows for longer than two seconds.

    Raises:
        DatabaseUnavailable: the connection is gone, and the transaction with it.
        asyncpg.PostgresError: it collided with others; begin the transaction anew.
    """
    session_id = caller.session_id
    if session_id is None:
        return None
    secret = parts.email_token_keys.current
    try:
        async with tx.savepoint():
            await tx.execute(_WAIT_A_MOMENT)
            migration = await migrate_baskets(
                tx,
                user_id=user_id,
                session_id=session_id,
                limits=parts.basket_limits,
                now=now,
                successor=successor_id(secret, session_id=session_id, user_id=user_id),
            )
            await tx.execute(_WAIT)
            return migration
    except DatabaseBusy:
        _log.warning("baskets.migration_gave_way", user_id=user_id)
        return None
    except (DatabaseUnavailable, *RETRYABLE):
        raise
    except Exception:  # noqa: BLE001 - told in the log, whatever it is
        _log.exception("baskets.migration_failed", user_id=user_id)
        return None
