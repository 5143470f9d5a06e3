"""A customer signs in."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from msgspec.structs import replace

from keyshop.accounts import queries
from keyshop.accounts.addresses import parse_sign_in_email
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import AccountChanged, AccountInvalid, WrongCredentials
from keyshop.accounts.lockout.errors import Locked
from keyshop.accounts.lockout.failures import (
    address_limit_key,
    choose_counter,
    counted_under,
    reset_counter,
)
from keyshop.accounts.lockout.guard import CountFailure, PasswordAttempt, attempt_under_lockout
from keyshop.accounts.lockout.queries import record_sign_in
from keyshop.accounts.migrate_after_sign_in import migrate_after_sign_in
from keyshop.accounts.models import Account, ClientInfo, Credentials, SignInResult
from keyshop.accounts.passwords import PasswordPool, PasswordsBusy, TooManyPasswords, composed
from keyshop.accounts.rules import SIGN_INS_PER_ADDRESS, client_key, is_hashable
from keyshop.accounts.sessions.families import begin_family, rebind_to_new_hash
from keyshop.baskets.settings import BasketSettings
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.secrets import Secret

_MAX_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


async def sign_in(
    db: Database,
    services: AccountServices,
    baskets: BasketSettings,
    credentials: Credentials,
    client_info: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    """
    Sign a customer in on this device, then move the guest's baskets to the account.

    An unknown address, a wrong password and a locked address get the same answer after the same
    time.

    Raises:
        AccountInvalid: there is no address or no password.
        WrongCredentials: unknown address, wrong password, or locked.
        TooMany: a limit of the address or the client is reached, or another attempt is in progress
            that locks the address if its password is wrong.
        PasswordsBusy: the queue of passwords is full.
    """
    _check_given(credentials)
    describe = partial(_describe_attempt, db, services, credentials, client_info, now=now)
    try:
        async with attempt_under_lockout(db, client_info, describe, now=now) as (
            attempt,
            count_failure,
        ):
            result = await _retry_when_changed(
                lambda: _authenticate(
                    db, services, credentials.password, attempt, count_failure, now=now
                )
            )
    except Locked:
        # The right password too: a lock that lets it pass would confirm a guess.
        raise WrongCredentials from None
    _log.info("account.signed_in", user_id=result.account.id)
    migration = await migrate_after_sign_in(db, baskets, result.account.id, client_info, now=now)
    return replace(result, migration=migration)


def _check_given(credentials: Credentials) -> None:
    parse_sign_in_email(credentials.email)
    if not credentials.password:
        raise AccountInvalid("password must not be empty.")


async def _describe_attempt(
    db: Database,
    services: AccountServices,
    credentials: Credentials,
    client_info: ClientInfo,
    *,
    now: datetime,
) -> PasswordAttempt:
    email = parse_sign_in_email(credentials.email)
    async with db.read() as reader:
        account = await queries.find_account_by_spellings(reader, credentials.email)
        user_id = None if account is None else account.id
        counter = await choose_counter(reader, user_id, email, client_info, now=now)
    return PasswordAttempt(
        client_info=client_info,
        user_id=user_id,
        counter=counter,
        limit=SIGN_INS_PER_ADDRESS,
        limit_key=address_limit_key(counted_under(user_id, email), counter.client_digest),
        delay=partial(
            services.passwords.dummy_verify,
            credentials.password,
            client=client_key(client_info.address),
        ),
    )


async def _authenticate(
    db: Database,
    services: AccountServices,
    password: str,
    attempt: PasswordAttempt,
    count_failure: CountFailure,
    *,
    now: datetime,
) -> SignInResult:
    # The account whose failures are counted: another one may answer to the address by now.
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, attempt.user_id or "")
    # Verified even without an account; otherwise the response time would reveal that there is none.
    stored = None if account is None else account.password_hash.reveal()
    form = await services.passwords.find_form(password, stored, client=attempt.client)
    if account is None or form is None:
        await count_failure()
        raise WrongCredentials
    new_hash = await _rehash(services.passwords, account, form, attempt.client)

    async def begin_sign_in(tx: Transaction) -> SignInResult:
        current = account if new_hash is None else await _store(tx, account, new_hash, now=now)
        tokens = await begin_family(tx, services.tokens, current, now=now)
        await record_sign_in(tx, account.id, client_info=attempt.client_info, now=now)
        await reset_counter(tx, attempt.counter)
        return SignInResult(account=current, tokens=tokens, migration=None)

    return await db.run(begin_sign_in, attempts=_MAX_ATTEMPTS)


async def _retry_when_changed(work: Callable[[], Awaitable[SignInResult]]) -> SignInResult:
    for attempts_left in reversed(range(_MAX_ATTEMPTS)):
        try:
            return await work()
        except AccountChanged:
            # Another device's sign-in has just stored a new hash: the password is verified again.
            if not attempts_left:
                raise
    raise AssertionError


async def _rehash(
    passwords: PasswordPool, account: Account, form: str, client: str
) -> Secret | None:
    """
    Return a hash of today's cost and of the composed form; None: the stored one stays.

    `form` is the form of the password that the stored hash is of.
    """
    is_current = form == composed(form) and not passwords.is_outdated(
        account.password_hash.reveal()
    )
    if is_current or not is_hashable(form):
        return None
    try:
        return Secret(await passwords.hash(form, client=client))
    except (PasswordsBusy, TooManyPasswords):
        # The password was right; a stronger hash can wait for the next sign-in.
        return None


async def _store(tx: Transaction, account: Account, new_hash: Secret, *, now: datetime) -> Account:
    """Store another hash of the same password; no device is signed out."""
    current = await queries.lock_account(tx, account.id)
    if current is None or current.password_hash != account.password_hash:
        raise AccountChanged
    await rebind_to_new_hash(tx, account.id, old_hash=account.password_hash, new_hash=new_hash)
    changed = await queries.set_password(tx, account.id, new_hash.reveal(), now=now)
    if changed is None:
        raise AccountChanged
    return changed
