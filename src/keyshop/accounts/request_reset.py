"""Somebody has forgotten the password."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.addresses import parse_sign_in_email
from keyshop.accounts.email_tokens.tokens import Purpose, issue_email_token
from keyshop.accounts.errors import EmailRequired
from keyshop.accounts.jobs import MailReset
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import MAIL_OF_CLIENT, RESET_MAIL_TO_ADDRESS, client_key
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue
from keyshop.kit.limits import take


async def request_reset(db: Database, email: str, caller: ClientInfo, *, now: datetime) -> None:
    """
    Mail a link with which the password can be set, if the address has an account.

    Nothing shows whether it has: the same is done, and stored for the worker, in either case. The
    present password stays good.

    Raises:
        EmailRequired: no address was given.
        AccountInvalid: it cannot be anybody's.
        TooMany: too many mails to this address, or asked for by this client.
    """
    if not email.strip():
        raise EmailRequired
    address = parse_sign_in_email(email)
    await take(db, MAIL_OF_CLIENT, client_key(caller.address), now=now)
    await take(db, RESET_MAIL_TO_ADDRESS, address, now=now)
    async with db.transaction() as tx:
        account = await queries.find_account_as_written(tx, email)
        user_id = new_id() if account is None else account.id
        proof_id = await issue_email_token(tx, Purpose.RESET_PASSWORD, user_id=user_id, now=now)
        await enqueue(tx, MailReset(user_id, proof_id))
