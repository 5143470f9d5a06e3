"""One of several processes that call the supplier as fast as the budget lets them."""

import asyncio
import json
import sys
import time
from collections import Counter

import msgspec

from keyshop.gateways.g2a.budget import Budget
from keyshop.gateways.g2a.client import Retries
from keyshop.gateways.g2a.connect import connect_g2a
from keyshop.kit.cache.guard import GuardedCommit
from keyshop.kit.database.pool import Database
from keyshop.supplier.errors import SupplierError
from tests.keyshop.gateways.g2a.canned import SANDBOX


class Orders(msgspec.Struct):
    """What to do; `page` tells this process's calls from the others'."""

    database_url: str
    supplier_url: str
    page: int
    seconds: float
    tasks: int
    budget: dict[str, float]


async def call_for_a_while(orders: Orders) -> Counter[str]:
    told: Counter[str] = Counter()
    end = time.monotonic() + orders.seconds
    db = Database(orders.database_url, max_size=1, guard=GuardedCommit(None))
    await db.open()
    budget = Budget(db, limit=int(orders.budget["limit"]), **_pace(orders))
    connected = connect_g2a(
        base_url=orders.supplier_url,
        credentials=SANDBOX,
        budget=budget,
        retries=Retries(attempts=1),
    )

    async def keep_calling() -> None:
        while time.monotonic() < end:
            try:
                await client.list_products(orders.page)
                told["ok"] += 1
            except SupplierError as error:
                told[error.code or type(error).__name__] += 1

    async with connected as client:
        await asyncio.gather(*(keep_calling() for _ in range(orders.tasks)))
    await db.close()
    return told


def _pace(orders: Orders) -> dict[str, float]:
    return {name: value for name, value in orders.budget.items() if name != "limit"}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call_for_a_while(msgspec.json.decode(sys.argv[1], type=Orders)))))  # noqa: T201
