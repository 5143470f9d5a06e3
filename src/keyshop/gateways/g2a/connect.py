"""Open and close the connections to G2A and to the budget."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from keyshop.gateways.g2a.address import api_root, is_on_this_machine
from keyshop.gateways.g2a.budget import Budget
from keyshop.gateways.g2a.client import DEFAULT_RETRIES, G2AClient, Retries
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.exchange import Exchange
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database

_CONNECTIONS: Final = httpx2.Limits(max_connections=32, max_keepalive_connections=32)


@asynccontextmanager
async def connect_g2a(
    *,
    base_url: str,
    credentials: G2ACredentials,
    budget: Budget | None,
    retries: Retries = DEFAULT_RETRIES,
) -> AsyncIterator[G2AClient]:
    """
    Yield a client, and close its connections at the end of the block.

    Raises:
        Invalid: the address is not valid.
    """
    root = api_root(base_url)
    async with httpx2.AsyncClient(
        follow_redirects=False,
        limits=_CONNECTIONS,
        trust_env=not is_on_this_machine(root),
    ) as http:
        exchange = Exchange(http, base_url=root, credentials=credentials, budget=budget)
        yield G2AClient(exchange, retries=retries)


@asynccontextmanager
async def open_budget(
    dsn: str, *, requests_per_minute: int, max_wait_seconds: float = 60
) -> AsyncIterator[Budget]:
    """
    Yield the budget that all processes share, on a connection of its own.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    db = Database(dsn, guard=RedisCommitGuard(None), min_size=1, max_size=1)
    await db.open()
    try:
        yield Budget(db, limit=requests_per_minute, max_wait_seconds=max_wait_seconds)
    finally:
        await db.close()
