"""A customer who is signed in takes another password."""

from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from keyshop.accounts import queries
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import AccountChanged, PasswordInvalid, UserNotFound
from keyshop.accounts.lockout.failures import (
    attempt,
    count_failure,
    counter_of_device,
    reset_counter,
)
from keyshop.accounts.lockout.queries import FailureCounter
from keyshop.accounts.models import Account, ClientInfo
from keyshop.accounts.passwords import PasswordsBusy, TooManyPasswords
from keyshop.accounts.rules import (
    PASSWORD_CHANGES_PER_DEVICE,
    SIGN_INS_PER_CLIENT,
    client_key,
    find_password_problem,
)
from keyshop.accounts.services import AccountServices
from keyshop.accounts.sessions import queries as session_queries
from keyshop.accounts.sessions.families import rebind_to_new_hash
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.limits import Limit, refund, take
from keyshop.kit.secrets import Secret

_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


async def change_password(
    db: Database,
    parts: AccountServices,
    *,
    user_id: str,
    family_id: str,
    current: str,
    new: str,
    caller: ClientInfo,
    now: datetime,
) -> None:
    """
    Change the password of whoever knows the present one; all other devices are signed out.

    Links that were mailed for setting it are over. Wrong passwords are counted and lock as those of
    signing in do, but for the device: a stolen token opens no faster way to guess, and whoever has it
    does not keep the owner from changing the password on another.

    Raises:
        PasswordInvalid: the present password is another, or the new one cannot be taken.
        TooMany: there were too many wrong ones.
        PasswordsBusy: too many people are signing in.
        UserNotFound: the account is gone.
        AccountChanged: somebody else changed it at this moment.
    """
    _check_given(current, new)
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, user_id)
    if account is None:
        raise UserNotFound
    client = client_key(caller.address)
    await take(db, SIGN_INS_PER_CLIENT, client, now=now)
    await take(db, PASSWORD_CHANGES_PER_DEVICE, family_id, now=now)
    counter = counter_of_device(account.email, family_id)
    try:
        async with attempt(db, counter, now=now) as reserved:
            await _check_current(
                db, parts, account, counter, current, caller, reserved=reserved, now=now
            )
            hashed = Secret(await parts.passwords.hash(new, limit_key=client))

            async def change(tx: Transaction) -> None:
                await _change(tx, account, hashed, family_id=family_id, now=now)
                await reset_counter(tx, counter)

            await db.run(change, attempts=_ATTEMPTS)
    except (PasswordsBusy, TooManyPasswords):
        await _give_back(db, SIGN_INS_PER_CLIENT, client)
        await _give_back(db, PASSWORD_CHANGES_PER_DEVICE, family_id)
        raise
    # Not that of the client: each of its passwords has cost as much as a wrong one.
    await _give_back(db, PASSWORD_CHANGES_PER_DEVICE, family_id)
    _log.info("account.password_changed", user_id=user_id)


def _check_given(current: str, new: str) -> None:
    if not current:
        raise PasswordInvalid("Current password is required")
    if not new:
        raise PasswordInvalid("New password is required")
    if unfit := find_password_problem(new):
        raise PasswordInvalid(f"New password {unfit}")


async def _check_current(
    db: Database,
    parts: AccountServices,
    account: Account,
    counter: FailureCounter,
    current: str,
    caller: ClientInfo,
    *,
    reserved: int | None,
    now: datetime,
) -> None:
    client = client_key(caller.address)
    if await parts.passwords.verify(current, account.password_hash.reveal(), limit_key=client):
        return
    async with db.transaction() as tx:
        await count_failure(
            tx, counter, user_id=account.id, reserved=reserved, caller=caller, now=now
        )
    raise PasswordInvalid("Current password is incorrect")


async def _give_back(db: Database, limit: Limit, who: str) -> None:
    # Whoever knows the password is not turned away for a counter.
    with suppress(DatabaseUnavailable):
        await refund(db, limit, who)


async def _change(
    tx: Transaction, account: Account, hashed: Secret, *, family_id: str, now: datetime
) -> None:
    present = await queries.lock_account(tx, account.id)
    if present is None or present.password_hash != account.password_hash:
        raise AccountChanged
    await session_queries.revoke_others(
        tx, account.id, keep=family_id, reason="password changed", now=now
    )
    # The only one left is the device that asked.
    await rebind_to_new_hash(tx, account.id, old_hash=account.password_hash, new_hash=hashed)
    await queries.set_password(tx, account.id, hashed.reveal(), now=now)
    # Whoever reads the mails without being the owner must not set it back with an older link.
    await email_token_queries.invalidate_email_tokens(
        tx, account.id, Purpose.RESET_PASSWORD, now=now
    )
