"""A visitor becomes a customer."""

from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from keyshop.accounts import queries
from keyshop.accounts.addresses import NormalAddress, parse_new_email
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens.tokens import Purpose, issue_email_token
from keyshop.accounts.errors import EmailTaken
from keyshop.accounts.jobs import MailWelcome
from keyshop.accounts.lockout.queries import record_sign_in
from keyshop.accounts.migrate_after_sign_in import migrate_after_sign_in
from keyshop.accounts.models import ClientInfo, Registration, SignInResult
from keyshop.accounts.passwords import PasswordsBusy, TooManyPasswords
from keyshop.accounts.rules import (
    DEFAULT_NICKNAME,
    REGISTRATIONS_PER_CLIENT,
    check_password,
    client_key,
    parse_name,
    parse_nickname,
)
from keyshop.accounts.sessions.families import begin_family
from keyshop.baskets.settings import BasketSettings
from keyshop.kit.client_limits import refund_client, take_for_client
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue

_MAX_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


class _CheckedFields(Struct, frozen=True, kw_only=True):
    """The fields of a registration as they are stored."""

    email: NormalAddress
    nickname: str
    first_name: str | None
    last_name: str | None


async def register(
    db: Database,
    services: AccountServices,
    baskets: BasketSettings,
    registration: Registration,
    client_info: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    """
    Create an account, sign it in and enqueue its welcome mail, then move the guest's baskets to it.

    The account, its session and its mail are one transaction; the baskets follow in another.

    Raises:
        AccountInvalid: a field is not valid.
        EmailTaken: the address, in any of its spellings, has an account.
        TooMany: the client has created too many accounts, or has too many passwords waiting.
        PasswordsBusy: the queue of passwords is full.
    """
    fields = _checked(registration)
    client = client_key(client_info.address)
    await take_for_client(db, REGISTRATIONS_PER_CLIENT, client, now=now)
    await _refuse_taken(db, registration.email)
    # Before the transaction, which would hold its connection for as long as that takes.
    try:
        hashed = await services.passwords.hash(registration.password, client=client)
    except (PasswordsBusy, TooManyPasswords):
        await refund_client(db, REGISTRATIONS_PER_CLIENT, client)
        raise

    async def add(tx: Transaction) -> SignInResult:
        return await _add(tx, services, fields, hashed, client_info, now=now)

    result = await db.run(add, attempts=_MAX_ATTEMPTS)
    _log.info("account.registered", user_id=result.account.id)
    migration = await migrate_after_sign_in(db, baskets, result.account.id, client_info, now=now)
    return replace(result, migration=migration)


def _checked(registration: Registration) -> _CheckedFields:
    check_password(registration.password)
    return _CheckedFields(
        email=parse_new_email(registration.email),
        nickname=parse_nickname(registration.nickname or DEFAULT_NICKNAME),
        first_name=parse_name(registration.first_name or "", "firstName"),
        last_name=parse_name(registration.last_name or "", "lastName"),
    )


async def _refuse_taken(db: Database, email: str) -> None:
    # Before a hash is computed for a registration that would be refused anyway.
    async with db.read() as reader:
        if await queries.find_account_by_spellings(reader, email) is not None:
            raise EmailTaken


async def _add(
    tx: Transaction,
    services: AccountServices,
    fields: _CheckedFields,
    hashed: str,
    client_info: ClientInfo,
    *,
    now: datetime,
) -> SignInResult:
    account = await queries.add_account(
        tx,
        email=fields.email,
        password_hash=hashed,
        nickname=fields.nickname,
        first_name=fields.first_name,
        last_name=fields.last_name,
        now=now,
    )
    if account is None:
        raise EmailTaken
    tokens = await begin_family(tx, services.tokens, account, now=now)
    # The network of the registration is the customer's own, as after any other sign-in.
    await record_sign_in(tx, account.id, client_info=client_info, now=now)
    email_token_id = await issue_email_token(tx, Purpose.VERIFY_EMAIL, user_id=account.id, now=now)
    await enqueue(tx, MailWelcome(account.id, email_token_id))
    return SignInResult(account=account, tokens=tokens, migration=None)
