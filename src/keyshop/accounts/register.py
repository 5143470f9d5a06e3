"""A visitor becomes a customer."""

from datetime import datetime

import structlog
from msgspec import Struct

from keyshop.accounts import queries
from keyshop.accounts.addresses import NormalAddress, parse_new_email
from keyshop.accounts.bring_baskets import bring_baskets, enter_with_baskets
from keyshop.accounts.email_tokens.tokens import Purpose, issue_email_token
from keyshop.accounts.errors import EmailTaken
from keyshop.accounts.jobs import MailWelcome
from keyshop.accounts.lockout import queries as sign_in_queries
from keyshop.accounts.models import ClientInfo, Registration
from keyshop.accounts.passwords import PasswordsBusy, TooManyPasswords
from keyshop.accounts.rules import (
    DEFAULT_NICKNAME,
    REGISTRATION_OF_CLIENT,
    check_password,
    checked_name,
    checked_nickname,
    client_key,
)
from keyshop.accounts.services import AccountServices, SignInResult
from keyshop.accounts.sessions.families import begin_family
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue
from keyshop.kit.limits import refund, take

_log = structlog.get_logger(__name__)


class _Wanted(Struct, frozen=True, kw_only=True):
    """The account that is to be made; no field of it is looked at again."""

    email: NormalAddress
    password: str
    nickname: str
    first_name: str | None
    last_name: str | None

    def __repr__(self) -> str:
        return "_Wanted(...)"


async def register(
    db: Database,
    parts: AccountServices,
    registration: Registration,
    caller: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    """
    Make an account, sign it in, let a mail welcome it, and bring the guest's baskets along.

    All of it or nothing, but for the baskets, which stay with the guest when they cannot come.

    Raises:
        AccountInvalid: a field cannot be taken.
        EmailTaken: the address, in any of its spellings, has an account.
        TooMany: too many accounts were made from there, or too many at once.
        PasswordsBusy: too many people are signing in.
    """
    wanted = _checked(registration)
    client = client_key(caller.address)
    await take(db, REGISTRATION_OF_CLIENT, client, now=now)
    await _refuse_taken(db, registration.email)
    # Before the transaction, which would hold its connection for as long as that takes.
    try:
        hashed = await parts.passwords.hash(wanted.password, limit_key=client)
    except (PasswordsBusy, TooManyPasswords):
        await refund(db, REGISTRATION_OF_CLIENT, client)
        raise

    async def add(tx: Transaction, bringing: ClientInfo) -> SignInResult:
        return await _add(tx, parts, wanted, hashed, bringing, now=now)

    signed_up = await enter_with_baskets(db, add, caller)
    _log.info("account.registered", user_id=signed_up.account.id)
    return signed_up


def _checked(registration: Registration) -> _Wanted:
    check_password(registration.password)
    return _Wanted(
        email=parse_new_email(registration.email),
        password=registration.password,
        nickname=checked_nickname(registration.nickname or DEFAULT_NICKNAME),
        first_name=checked_name(registration.first_name or "", "firstName"),
        last_name=checked_name(registration.last_name or "", "lastName"),
    )


async def _refuse_taken(db: Database, email: str) -> None:
    """Refuse what would be refused anyway before work is put into it."""
    async with db.read() as reader:
        if await queries.find_account_as_written(reader, email) is not None:
            raise EmailTaken


async def _add(
    tx: Transaction,
    parts: AccountServices,
    wanted: _Wanted,
    hashed: str,
    caller: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    account = await queries.add_account(
        tx,
        email=wanted.email,
        password_hash=hashed,
        nickname=wanted.nickname,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        now=now,
    )
    if account is None:
        raise EmailTaken
    tokens = await begin_family(tx, parts.tokens, account, now=now)
    # The network on which somebody becomes a customer is theirs, as after any other sign-in.
    await sign_in_queries.record_sign_in(tx, account.id, caller=caller, now=now)
    proof_id = await issue_email_token(tx, Purpose.VERIFY_EMAIL, user_id=account.id, now=now)
    await enqueue(tx, MailWelcome(account.id, proof_id))
    migration = await bring_baskets(tx, parts, account.id, caller, now=now)
    return SignInResult(account=account, tokens=tokens, migration=migration)
