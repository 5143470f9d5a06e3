"""A signed-in customer changes the password."""

from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct

from keyshop.accounts import queries
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import AccountChanged, PasswordInvalid, UserNotFound
from keyshop.accounts.lockout.failures import device_counter, reset_counter
from keyshop.accounts.lockout.guard import PasswordAttempt, attempt_under_lockout
from keyshop.accounts.models import Account, ClientInfo, SignedIn
from keyshop.accounts.rules import PASSWORD_CHANGES_PER_DEVICE, find_password_problem
from keyshop.accounts.sessions import queries as session_queries
from keyshop.accounts.sessions.families import rebind_to_new_hash
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.secrets import Secret

_MAX_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


class PasswordPair(Struct, frozen=True):
    """The current and the new password; prints without either."""

    current: str
    new: str

    def __repr__(self) -> str:
        return "PasswordPair(...)"


async def change_password(
    db: Database,
    services: AccountServices,
    signed_in: SignedIn,
    passwords: PasswordPair,
    client_info: ClientInfo,
    *,
    now: datetime,
) -> None:
    """
    Change the password of a customer who knows the current one; all other devices are signed out.

    Mailed reset links stop working. Wrong passwords are limited, counted and locked as at sign-in,
    but for this device: a stolen token gives no faster way to guess, and its owner's other devices
    can still change the password.

    Raises:
        PasswordInvalid: the current password is wrong, or the new one is not allowed.
        TooMany: a limit is reached, or too many wrong passwords have locked this device.
        PasswordsBusy: the queue of passwords is full.
        UserNotFound: the account is gone.
        AccountChanged: another request has changed the account at the same time.
    """
    _check_given(passwords)
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, signed_in.user_id)
    if account is None:
        raise UserNotFound

    async def describe() -> PasswordAttempt:
        return PasswordAttempt(
            client_info=client_info,
            user_id=account.id,
            counter=device_counter(account, signed_in.family_id),
            limit=PASSWORD_CHANGES_PER_DEVICE,
            limit_key=signed_in.family_id,
        )

    async with attempt_under_lockout(db, client_info, describe, now=now) as (
        attempt,
        count_failure,
    ):
        if not await services.passwords.verify(
            passwords.current, account.password_hash.reveal(), client=attempt.client
        ):
            await count_failure()
            raise PasswordInvalid("Current password is incorrect")
        new_hash = Secret(await services.passwords.hash(passwords.new, client=attempt.client))

        async def change(tx: Transaction) -> None:
            await _change(tx, account, new_hash, family_id=signed_in.family_id, now=now)
            await reset_counter(tx, attempt.counter)

        await db.run(change, attempts=_MAX_ATTEMPTS)
    _log.info("account.password_changed", user_id=account.id)


def _check_given(passwords: PasswordPair) -> None:
    if not passwords.current:
        raise PasswordInvalid("Current password is required")
    if not passwords.new:
        raise PasswordInvalid("New password is required")
    if problem := find_password_problem(passwords.new):
        raise PasswordInvalid(f"New password {problem}")


async def _change(
    tx: Transaction, account: Account, new_hash: Secret, *, family_id: str, now: datetime
) -> None:
    current = await queries.lock_account(tx, account.id)
    if current is None or current.password_hash != account.password_hash:
        raise AccountChanged
    await session_queries.revoke_others(
        tx, account.id, keep=family_id, reason="password changed", now=now
    )
    # Of the devices, only this one is left.
    await rebind_to_new_hash(tx, account.id, old_hash=account.password_hash, new_hash=new_hash)
    await queries.set_password(tx, account.id, new_hash.reveal(), now=now)
    # A person who reads the customer's mails must not undo the change with an older link.
    await email_token_queries.invalidate_email_tokens(
        tx, account.id, Purpose.RESET_PASSWORD, now=now
    )
