"""
Counters of wrong passwords for an address, whether or not it has an account.

All unknown clients share one counter. A client from which the account was signed in to before has a
counter of its own: unknown clients cannot lock the owner out there, and no client gets more guesses
from it.
"""

from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from typing import Final

from keyshop.accounts.addresses import (
    NormalAddress,
    counted_as,
    normalise,
    parse_sign_in_email,
    spellings,
)
from keyshop.accounts.lockout import queries
from keyshop.accounts.lockout.models import FailureCounter, FailureSummary
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import KNOWN_CLIENT_TTL, SIGN_INS_PER_ADDRESS, client_key
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.limits import delete_limits

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_SIZE: Final = 10_000  # rows that one transaction deletes


def digest_of(email: NormalAddress) -> str:
    """Return what stands for the address in a counter, for an address as typed or as stored."""
    return _digest(counted_as(email))


async def choose_counter(
    reader: Reader, written: str, client_info: ClientInfo, *, now: datetime
) -> FailureCounter:
    """Return the counter of this client for an address: its own, or that of all unknown clients."""
    email_digest, client = digest_of(parse_sign_in_email(written)), client_key(client_info.address)
    known = await queries.list_clients(reader, spellings(written), since=now - KNOWN_CLIENT_TTL)
    if client in map(client_key, known):
        return FailureCounter(email_digest, _digest_of_client(client))
    return FailureCounter(email_digest)


def device_counter(email: NormalAddress, family_id: str) -> FailureCounter:
    """Return the counter of a device on which the account is signed in."""
    return FailureCounter(digest_of(email), _digest(f"device {family_id}"))


def address_limit_key(email: str, client_digest: str) -> str:
    """
    Return the key of SIGN_INS_PER_ADDRESS for a counter's client, or for all unknown clients.

    Unknown clients could use up a limit that the owner shares. Both limits are of one size, or a
    person on a customer's network would see who has signed in there.
    """
    return f"{email} {client_digest}" if client_digest else email


async def find_lock(reader: Reader, email: NormalAddress) -> FailureSummary | None:
    """Return a summary of all counters of an address; None: there are no failures."""
    return await queries.find_failures(reader, _digests_of(email))


async def reset_counter(tx: Transaction, counter: FailureCounter) -> None:
    """Begin to count anew: the password was right."""
    await queries.delete_counter(tx, counter)


async def forget_failures(tx: Transaction, email: NormalAddress) -> bool:
    """Unlock the address for all clients; False: there were no failures."""
    # A full limit would still keep the owner out of an address that unknown clients have locked.
    known = await queries.list_clients(tx, [email], since=_EVER)
    clients = {"", *(_digest_of_client(client_key(ip_address)) for ip_address in known)}
    for name, client in product(_names(email), clients):
        await delete_limits(tx, address_limit_key(name, client), SIGN_INS_PER_ADDRESS)
    return await queries.delete_failures(tx, _digests_of(email))


async def delete_old_failures(tx: Transaction, before: datetime) -> int:
    """Delete counters whose last failure is older, up to 10,000; return how many there were."""
    return await queries.delete_old_failures(tx, before=before, limit=_BATCH_SIZE)


def _digests_of(email: NormalAddress) -> list[str]:
    return [_digest(name) for name in _names(email)]


def _names(stored: NormalAddress) -> set[str]:
    """Return the names under which an account's failures may be counted: normal, and as typed."""
    return {counted_as(stored), normalise(stored)}


def _digest_of_client(client: str) -> str:
    return _digest(f"client {client}")


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
