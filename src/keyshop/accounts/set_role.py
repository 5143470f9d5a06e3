"""An operator changes what an account may do."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.email_tokens.queries import invalidate_email_tokens
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Role
from keyshop.accounts.sessions.families import revoke_all
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction


async def set_role(tx: Transaction, *, user_id: str, role: Role, by: str, now: datetime) -> bool:
    """
    Give the account the role and sign it out on all devices; False: it had the role already.

    Mailed links for resetting the password become invalid.

    Raises:
        UserNotFound: there is no such account, or it was erased.
    """
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    if account.role == role:
        return False
    await revoke_all(tx, user_id, reason="role changed", now=now)
    await queries.set_role(tx, user_id, role, now=now)
    await invalidate_email_tokens(tx, user_id, Purpose.RESET_PASSWORD, now=now)
    await record(
        tx,
        actor=by,
        action="users.role",
        subject=Subject("user", user_id),
        details={"role": role, "before": account.role},
        now=now,
    )
    return True
