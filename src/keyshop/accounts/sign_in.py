"""A customer shows who they are."""

from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from keyshop.accounts import queries
from keyshop.accounts.addresses import parse_sign_in_email
from keyshop.accounts.bring_baskets import bring_baskets, enter_with_baskets
from keyshop.accounts.errors import AccountChanged, AccountInvalid, WrongCredentials
from keyshop.accounts.lockout import queries as sign_in_queries
from keyshop.accounts.lockout.failures import (
    Locked,
    attempt,
    count_failure,
    find_counter,
    limited_as,
    reset_counter,
)
from keyshop.accounts.lockout.queries import FailureCounter
from keyshop.accounts.models import Account, ClientInfo, Credentials
from keyshop.accounts.passwords import PasswordPool, PasswordsBusy, TooManyPasswords
from keyshop.accounts.rules import SIGN_IN_OF_ADDRESS, SIGN_IN_OF_CLIENT, client_key, is_hashable
from keyshop.accounts.services import AccountServices, SignInResult
from keyshop.accounts.sessions.families import begin_family, rebind_to_new_hash
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.limits import Limit, refund, take
from keyshop.kit.secrets import Secret

_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


async def sign_in(
    db: Database,
    parts: AccountServices,
    credentials: Credentials,
    caller: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    """
    Sign a customer in on this device, and bring the guest's baskets along.

    An unknown address, a wrong password and a locked address are refused alike, in the same time.

    Raises:
        AccountInvalid: there is no address or no password.
        WrongCredentials: they are not those of an account that may sign in now.
        TooMany: too many attempts for this address, or from this client, or too many at once; or
            another is being looked at, and locks the address if it is wrong.
        PasswordsBusy: too many people are signing in.
    """
    email = parse_sign_in_email(credentials.email)
    if not credentials.password:
        raise AccountInvalid("password must not be empty.")
    client = client_key(caller.address)
    await take(db, SIGN_IN_OF_CLIENT, client, now=now)
    async with db.read() as reader:
        counter = await find_counter(reader, credentials.email, caller, now=now)
    # Strangers could use theirs up: a client that is known has its own, as it has its own lock. Both
    # are of one size, or whoever shares a client with a customer would see who has signed in there.
    whose = limited_as(email, counter.client)
    await take(db, SIGN_IN_OF_ADDRESS, whose, now=now)
    try:
        signed_in = await _try(db, parts, counter, credentials, caller, now=now)
    except (PasswordsBusy, TooManyPasswords):
        # Nobody has looked at the password.
        await _give_back(db, SIGN_IN_OF_CLIENT, client)
        await _give_back(db, SIGN_IN_OF_ADDRESS, whose)
        raise
    # Not that of the client: each of its passwords has cost as much as a wrong one.
    await _give_back(db, SIGN_IN_OF_ADDRESS, whose)
    return signed_in


async def _try(
    db: Database,
    parts: AccountServices,
    counter: FailureCounter,
    credentials: Credentials,
    caller: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    try:
        async with attempt(db, counter, now=now) as reserved:
            return await _look(db, parts, counter, credentials, caller, reserved=reserved, now=now)
    except Locked:
        # The right password too: a lock that lets it pass could be guessed at.
        await parts.passwords.dummy_verify(limit_key=client_key(caller.address))
        raise WrongCredentials from None


async def _look(
    db: Database,
    parts: AccountServices,
    counter: FailureCounter,
    credentials: Credentials,
    caller: ClientInfo,
    *,
    reserved: int | None,
    now: datetime,
) -> SignInResult:
    """Look at the password again when the account changed just then: another device's sign-in."""
    password = credentials.password
    for left in reversed(range(_ATTEMPTS)):
        async with db.read() as reader:
            account = await queries.find_account_as_written(reader, credentials.email)
        if not await _is_right(parts.passwords, account, password, caller) or account is None:
            break
        try:
            return await _enter(db, parts, account, counter, password, caller, now=now)
        except AccountChanged:
            if not left:
                raise
    user_id = None if account is None else account.id
    async with db.transaction() as tx:
        await count_failure(tx, counter, user_id=user_id, reserved=reserved, caller=caller, now=now)
    raise WrongCredentials


async def _is_right(
    passwords: PasswordPool, account: Account | None, password: str, caller: ClientInfo
) -> bool:
    hashed = None if account is None else account.password_hash.reveal()
    return await passwords.verify(password, hashed, limit_key=client_key(caller.address))


async def _enter(
    db: Database,
    parts: AccountServices,
    account: Account,
    counter: FailureCounter,
    password: str,
    caller: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    stronger = await _stronger(parts.passwords, account, password, client_key(caller.address))

    async def enter(tx: Transaction, bringing: ClientInfo) -> SignInResult:
        entering = account
        if stronger is not None:
            entering = await _raise_cost(tx, account, stronger, now=now)
        tokens = await begin_family(tx, parts.tokens, entering, now=now)
        await sign_in_queries.record_sign_in(tx, account.id, caller=caller, now=now)
        await reset_counter(tx, counter)
        migration = await bring_baskets(tx, parts, account.id, bringing, now=now)
        return SignInResult(account=entering, tokens=tokens, migration=migration)

    signed_in = await enter_with_baskets(db, enter, caller)
    _log.info("account.signed_in", user_id=account.id)
    return signed_in


async def _stronger(
    passwords: PasswordPool, account: Account, password: str, client: str
) -> Secret | None:
    """Return a hash of today's cost for a password that has a cheaper one; None: it stays."""
    if not passwords.is_outdated(account.password_hash.reveal()) or not is_hashable(password):
        return None
    try:
        return Secret(await passwords.hash(password, limit_key=client))
    except (PasswordsBusy, TooManyPasswords):
        # The password was right; a stronger hash can wait for the next time.
        return None


async def _raise_cost(
    tx: Transaction, account: Account, stronger: Secret, *, now: datetime
) -> Account:
    """Store the stronger hash; it is the same password, so that no device is signed out."""
    present = await queries.lock_account(tx, account.id)
    if present is None or present.password_hash != account.password_hash:
        raise AccountChanged
    await rebind_to_new_hash(tx, account.id, old_hash=account.password_hash, new_hash=stronger)
    changed = await queries.set_password(tx, account.id, stronger.reveal(), now=now)
    if changed is None:
        raise AccountChanged
    return changed


async def _give_back(db: Database, limit: Limit, who: str) -> None:
    # Whoever has just signed in is not turned away for a counter.
    with suppress(DatabaseUnavailable):
        await refund(db, limit, who)
