"""A customer asks for another verification mail."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.email_tokens.tokens import Purpose, issue_email_token
from keyshop.accounts.errors import AlreadyVerified, UserNotFound
from keyshop.accounts.jobs import MailVerification
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import MAILS_PER_CLIENT, VERIFICATION_MAILS_PER_ADDRESS, client_key
from keyshop.kit.client_limits import take_for_client
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import enqueue
from keyshop.kit.limits import take


async def send_verification(
    db: Database, *, user_id: str, client_info: ClientInfo, now: datetime
) -> None:
    """
    Mail a new code and link to the account's address; the previous code becomes invalid.

    Raises:
        UserNotFound: there is no such account.
        AlreadyVerified: the address is verified.
        TooMany: too many mails to this address, or requested by this client.
    """
    async with db.read() as reader:
        account = await queries.find_account_by_id(reader, user_id)
    if account is None:
        raise UserNotFound
    if account.email_verified:
        raise AlreadyVerified
    await take_for_client(db, MAILS_PER_CLIENT, client_key(client_info.address), now=now)
    await take(db, VERIFICATION_MAILS_PER_ADDRESS, account.email, now=now)
    async with db.transaction() as tx:
        email_token_id = await issue_email_token(tx, Purpose.VERIFY_EMAIL, user_id=user_id, now=now)
        await enqueue(tx, MailVerification(user_id, email_token_id))
