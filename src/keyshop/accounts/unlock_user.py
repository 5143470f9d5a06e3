"""An operator removes a lock that wrong passwords have caused."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.lockout.failures import forget_failures
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction


async def unlock_user(tx: Transaction, *, user_id: str, by: str, now: datetime) -> bool:
    """
    Forget the wrong passwords given for the account; False: there were none.

    Raises:
        UserNotFound: there is no such account, or it was erased.
    """
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    if not await forget_failures(tx, account):
        return False
    await record(tx, actor=by, action="users.unlock", subject=Subject("user", user_id), now=now)
    return True
