"""
Counters of wrong passwords for an account, or for an address that has none.

However the address was spelled, the account that it finds is counted, and never two as one. All unknown clients share one counter. A client from which the account was signed in to before has a
counter of its own: unknown clients cannot lock the owner out there, and no client gets more guesses
from it.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from keyshop.accounts.addresses import NormalAddress
from keyshop.accounts.lockout import queries
from keyshop.accounts.lockout.models import FailureCounter, FailureSummary
from keyshop.accounts.models import Account, ClientInfo
from keyshop.accounts.rules import KNOWN_CLIENT_TTL, SIGN_INS_PER_ADDRESS, client_key
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.limits import delete_limits

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_SIZE: Final = 10_000  # rows that one transaction deletes


def counted_under(user_id: str | None, email: NormalAddress) -> str:
    """Return what failures are counted under: the account, or the address if it has none."""
    # No normal form of an address begins with "@".
    return email if user_id is None else f"@{user_id}"


def digest_of(counted: str) -> str:
    """Return what stands for an account or an address, see `counted_under`, in a counter."""
    return _digest(counted)


async def choose_counter(
    reader: Reader,
    user_id: str | None,
    email: NormalAddress,
    client_info: ClientInfo,
    *,
    now: datetime,
) -> FailureCounter:
    """Return this client's counter for the account: its own, or that of all unknown clients."""
    email_digest = digest_of(counted_under(user_id, email))
    client = client_key(client_info.address)
    # Asked for an address without account too, which must take the same time.
    known = await queries.list_clients(reader, user_id or "", since=now - KNOWN_CLIENT_TTL)
    if client in map(client_key, known):
        return FailureCounter(email_digest, _digest_of_client(client))
    return FailureCounter(email_digest)


def device_counter(account: Account, family_id: str) -> FailureCounter:
    """Return the counter of a device on which the account is signed in."""
    return FailureCounter(digest_of_account(account), _digest(f"device {family_id}"))


def address_limit_key(counted: str, client_digest: str) -> str:
    """
    Return the key of SIGN_INS_PER_ADDRESS for a counter's client, or for all unknown clients.

    Unknown clients could use up a limit that the owner shares. Both limits are of one size, or a
    person on a customer's network would see who has signed in there.
    """
    return f"{counted} {client_digest}" if client_digest else counted


async def find_lock(reader: Reader, account: Account) -> FailureSummary | None:
    """Return a summary of all counters of an account; None: there are no failures."""
    return await queries.find_failures(reader, digest_of_account(account))


async def reset_counter(tx: Transaction, counter: FailureCounter) -> None:
    """Begin to count anew: the password was right."""
    await queries.delete_counter(tx, counter)


async def forget_failures(tx: Transaction, account: Account) -> bool:
    """Unlock the account for all clients; False: there were no failures."""
    # A full limit would still keep the owner out of an account that unknown clients have locked.
    known = await queries.list_clients(tx, account.id, since=_EVER)
    clients = {"", *(_digest_of_client(client_key(ip_address)) for ip_address in known)}
    counted = counted_under(account.id, account.email)
    for client in clients:
        await delete_limits(tx, address_limit_key(counted, client), SIGN_INS_PER_ADDRESS)
    return await queries.delete_failures(tx, digest_of(counted))


async def forget_failures_of_address(tx: Transaction, email: NormalAddress) -> None:
    """Delete what was counted for the address before it had an account."""
    await queries.delete_failures(tx, digest_of(email))


async def delete_old_failures(tx: Transaction, before: datetime) -> int:
    """Delete counters whose last failure is older, up to 10,000; return how many there were."""
    return await queries.delete_old_failures(tx, before=before, limit=_BATCH_SIZE)


def digest_of_account(account: Account) -> str:
    """Return what stands for the account in its counters."""
    return digest_of(counted_under(account.id, account.email))


def _digest_of_client(client: str) -> str:
    return _digest(f"client {client}")


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
