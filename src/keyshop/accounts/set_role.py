"""An operator says what an account may do."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.email_tokens.queries import invalidate_email_tokens
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Role
from keyshop.accounts.sessions.families import revoke_all
from keyshop.kit.database.transaction import Transaction


async def set_role(tx: Transaction, *, user_id: str, role: str, now: datetime) -> bool:
    """
    Give the account this role and sign it out everywhere; False: it had the role already.

    Links that were mailed for setting the password are over.

    Raises:
        UserNotFound: there is no such account.
    """
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    if account.role is Role(role):
        return False
    await revoke_all(tx, user_id, reason="role changed", now=now)
    await queries.set_role(tx, user_id, Role(role), now=now)
    await invalidate_email_tokens(tx, user_id, Purpose.RESET_PASSWORD, now=now)
    return True
