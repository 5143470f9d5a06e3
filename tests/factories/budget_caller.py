"""A process that calls the supplier as fast as the budget allows; several of them share one budget."""

import asyncio
import json
import sys
import time
from collections import Counter

import msgspec

from keyshop.gateways.g2a.budget import Budget
from keyshop.gateways.g2a.client import Retries
from keyshop.gateways.g2a.connect import connect_g2a
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.supplier.errors import SupplierError
from tests.factories.canned_supplier import SANDBOX


class CallerOptions(msgspec.Struct):
    """What the process does; `page` identifies its calls."""

    database_url: str
    supplier_url: str
    page: int
    seconds: float
    tasks: int
    budget: dict[str, float]


async def call_for_a_while(options: CallerOptions) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + options.seconds
    db = Database(options.database_url, max_size=1, guard=RedisCommitGuard(None))
    await db.open()
    budget = Budget(db, limit=int(options.budget["limit"]), **_pace(options))
    connected = connect_g2a(
        base_url=options.supplier_url,
        credentials=SANDBOX,
        budget=budget,
        retries=Retries(attempts=1),
    )

    async def keep_calling() -> None:
        while time.monotonic() < end:
            try:
                await client.list_products(options.page)
                outcomes["ok"] += 1
            except SupplierError as error:
                outcomes[error.code or type(error).__name__] += 1

    async with connected as client:
        await asyncio.gather(*(keep_calling() for _ in range(options.tasks)))
    await db.close()
    return outcomes


def _pace(options: CallerOptions) -> dict[str, float]:
    return {name: value for name, value in options.budget.items() if name != "limit"}


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=CallerOptions)
    print(json.dumps(asyncio.run(call_for_a_while(given))))  # noqa: T201
