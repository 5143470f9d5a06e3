"""A customer has forgotten the password and asks for a link to reset it."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.addresses import parse_sign_in_email
from keyshop.accounts.email_tokens.tokens import Purpose, issue_email_token
from keyshop.accounts.errors import EmailRequired
from keyshop.accounts.jobs import MailReset
from keyshop.accounts.lockout.failures import counted_under
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import MAILS_PER_CLIENT, RESET_MAILS_PER_ADDRESS, client_key
from keyshop.kit.client_limits import take_for_client
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue
from keyshop.kit.limits import take


async def request_reset(
    db: Database, email: str, client_info: ClientInfo, *, now: datetime
) -> None:
    """
    Mail a link that resets the password, if the address has an account.

    An unknown address takes the same steps and stores the same job, so that neither the answer nor
    its time shows whether there is an account. The current password stays valid.

    Raises:
        EmailRequired: the address is empty.
        AccountInvalid: no account can have the address.
        TooMany: too many mails to this address, or requested by this client.
    """
    if not email.strip():
        raise EmailRequired
    address = parse_sign_in_email(email)
    await take_for_client(db, MAILS_PER_CLIENT, client_key(client_info.address), now=now)
    async with db.read() as reader:
        account = await queries.find_account_by_spellings(reader, email)
    found_id = None if account is None else account.id
    # Of the account, whose mails would otherwise have a limit for each spelling of its address.
    await take(db, RESET_MAILS_PER_ADDRESS, counted_under(found_id, address), now=now)
    user_id = found_id or new_id()
    async with db.transaction() as tx:
        email_token_id = await issue_email_token(
            tx, Purpose.RESET_PASSWORD, user_id=user_id, now=now
        )
        await enqueue(tx, MailReset(user_id, email_token_id))
