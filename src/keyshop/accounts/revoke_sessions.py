"""An operator signs an account out."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.email_tokens.queries import invalidate_email_tokens
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.sessions.families import revoke_all
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction


async def revoke_sessions(tx: Transaction, *, user_id: str, by: str, now: datetime) -> int:
    """
    Sign the account out on all devices at once; return how many there were.

    Mailed links for resetting the password become invalid: a thief may have asked for one.

    Raises:
        UserNotFound: there is no such account, or it was erased.
    """
    if await queries.lock_account(tx, user_id) is None:
        raise UserNotFound
    devices = await revoke_all(tx, user_id, reason="operator", now=now)
    await invalidate_email_tokens(tx, user_id, Purpose.RESET_PASSWORD, now=now)
    await record(
        tx,
        actor=by,
        action="users.revoke",
        subject=Subject("user", user_id),
        details={"devices": devices},
        now=now,
    )
    return devices
