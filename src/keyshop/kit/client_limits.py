"""
Limits of clients, which an IPv6 site cannot multiply.

A client is an IPv4 address or an IPv6 network of /64. A site usually has a whole /48, and with it
65,536 such networks. So it has limits of its own, of several clients together.
"""

from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv6Network, ip_network
from typing import Final

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.limits import Limit, refund, take_within

CLIENTS_OF_SITE: Final = 8
"""A site may do as much as so many clients."""

_CLIENT_PREFIX: Final = 64  # bits
_SITE_PREFIX: Final = 48


def find_site(client: str) -> str | None:
    """Return the /48 network of a client that is an IPv6 network; None: it is none."""
    try:
        network = ip_network(client)
    except ValueError:
        return None
    if not isinstance(network, IPv6Network) or network.prefixlen != _CLIENT_PREFIX:
        return None
    return str(network.supernet(new_prefix=_SITE_PREFIX))


async def take_for_client(db: Database, limit: Limit, client: str, *, now: datetime) -> None:
    """
    Count one request of the client, and of its site.

    Raises:
        TooMany: the limit of either is reached; this request is counted for neither.
    """
    async with db.transaction() as tx:
        await take_for_client_within(tx, limit, client, now=now)


async def take_for_client_within(
    tx: Transaction, limit: Limit, client: str, *, now: datetime
) -> None:
    """
    Do as `take_for_client` in the caller's transaction: what is rolled back was not counted.

    Raises:
        TooMany: the limit of the client or its site is reached.
    """
    for each, key in _limits_of(limit, client):
        await take_within(tx, each, key, now=now)


async def refund_client(db: Database, limit: Limit, client: str) -> None:
    """Count one request less for the client and its site: it turned out to be harmless."""
    for each, key in _limits_of(limit, client):
        await refund(db, each, key)


def _limits_of(limit: Limit, client: str) -> Iterator[tuple[Limit, str]]:
    yield limit, client
    site = find_site(client)
    if site is not None:
        burst, per = limit.burst * CLIENTS_OF_SITE, limit.per / CLIENTS_OF_SITE
        yield Limit(f"{limit.name}_of_site", burst=burst, per=per), site
