"""While parts of the shop are killed, no cent and no key is lost, doubled or given away."""

import asyncio
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle, islice
from random import Random
from typing import Any

import asyncpg
import httpx2
import pytest

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.models import BuyingPolicy
from tests.chaos.back_office import BackOffice
from tests.chaos.customer import PAYMENT_SECRET, PROMO, Customer, History, make_person
from tests.chaos.test_killed_processes import PARTS, find
from tests.factories.account_services import ACCESS_SECRET, REFRESH_SECRET
from tests.factories.games import make_game
from tests.factories.orders import stock_game
from tests.factories.vault import make_vault
from tests.keyshop.embedded.users import kill, wait_until
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, running
from tests.servers import connected, open_home

_SEED = 12
_CUSTOMERS = 12  # at the same time
_KILLS = 6
_VICTIMS = ("the API", "PostgreSQL", "the worker", "Valkey", "the API", "PostgreSQL")
_ANSWERS_BEFORE_A_KILL = 25
_RECOVERY_SECONDS = 60
VARIABLES = {
    "JWT_SECRET": ACCESS_SECRET,
    "JWT_REFRESH_SECRET": REFRESH_SECRET,
    "PAYMENT_WEBHOOK_SECRETS": PAYMENT_SECRET,
    "KEY_ENCRYPTION_KEYS": f"1:{b64encode(bytes([1]) * 32).decode()}",
}

# The last game is scarce: its keys are what customers race for.
_GAMES = {"7.99": 1000, "3.33": 1000, "0.10": 1000, "12.50": 25}

_ADD_PROMO = """
    INSERT INTO promo_codes (id, code, discount, "maxUses", "validFrom", "validUntil")
    VALUES ('chaos', $1, 15, 60, now() - interval '1 day', now() + interval '1 day')
"""
_UNBALANCED = """
    SELECT u.id, u.balance, sum(t.amount) FROM users AS u JOIN transactions AS t ON t."userId" = u.id
    GROUP BY u.id HAVING u.balance <> sum(t.amount)
"""
_SUMS = """
    SELECT (SELECT sum(balance) FROM users) AS balances,
        (SELECT sum(amount) FROM transactions) AS ledger
"""
_ORDERS = 'SELECT id, "userId" FROM orders'
_PAYMENTS = """
    SELECT "transactionHash", "userId", amount::text FROM transactions WHERE type = 'TOP_UP'
"""
_OWNERS = """
    SELECT v.id, u.order_id, k."orderId" FROM keyshop.order_units AS u
    JOIN keyshop.vault_keys AS v ON v.id = u.vault_key_id JOIN game_keys AS k ON k.id = v.id
"""
_CANCELLED = """
    SELECT o.id, o.status::text FROM orders AS o
    WHERE o.id = ANY($1) AND o.total = (SELECT sum(amount) FROM keyshop.refunds WHERE order_id = o.id)
"""
_DEAD_LETTERS = "SELECT entrypoint FROM keyshop.pgqueuer WHERE status = 'failed'"
_USES = 'SELECT "usedCount" FROM promo_codes'


@pytest.fixture
def shop() -> Iterator[ShopProcess]:
    with (
        open_home() as folder,
        running(folder / "home", "up", "--no-seed", **VARIABLES) as shop,
    ):
        yield shop


def wait_for_answers(history: History, number: int) -> None:
    wait_until(lambda: history.answers >= number, seconds=_RECOVERY_SECONDS)


def kill_parts(shop: ShopProcess, history: History, kills: int) -> None:
    """Kill one part after the other, each while customers are being served."""
    for part in islice(cycle(part for part in _VICTIMS if part in PARTS), kills):
        wait_for_answers(history, history.answers + _ANSWERS_BEFORE_A_KILL)
        killed = find(shop, part)
        assert killed is not None
        kill(killed)

        def is_back(part: str = part, pid: int = killed.pid) -> bool:
            restarted = find(shop, part)
            return restarted is not None and restarted.pid != pid and shop.is_up()

        wait_until(is_back, seconds=_RECOVERY_SECONDS)


async def read(url: str, sql: str, *values: object) -> list[asyncpg.Record]:
    async with connected(url) as connection:
        return await connection.fetch(sql, *values)


class Market:
    """The customers and operators of a test."""

    def __init__(self, shop: ShopProcess, db: Database, client: httpx2.AsyncClient) -> None:
        self.history = History()
        self.customers: list[Customer] = []
        self._shop = shop
        self._db = db
        self._client = client
        self._random = Random(_SEED)

    async def open(self) -> None:
        """Offer games, most of them with own keys, and a promo code."""
        async with self._db.transaction() as tx:
            await tx.execute(_ADD_PROMO, PROMO)
        self._games = [await stock_game(self._db, keys, price) for price, keys in _GAMES.items()]
        self._bought_game = await make_game(
            self._db, slug="bought", price=Decimal("4.99"), g2aProductId="1", g2aStock=True
        )
        parts = OrderParts(
            vault=await make_vault(self._db),
            mark=HighWaterMark.open(self._shop.home / "marks", machine="tests", identity="tests"),
            policy=BuyingPolicy(buying_open=True),
        )
        self.office = BackOffice(self._db, parts, self._random)

    async def trade(self, kills: int) -> None:
        """Let customers shop while this many parts are killed."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.office.work(stop))
            for _ in range(_CUSTOMERS):
                tasks.create_task(self._serve(stop))
            try:
                await asyncio.to_thread(kill_parts, self._shop, self.history, kills)
            finally:
                stop.set()
        while await self.office.deliver():
            pass

    async def _serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            customer = Customer(
                await make_person(self._db, self._client),
                self._games,
                self._bought_game,
                self.office,
                self.history,
                Random(self._random.random()),
            )
            self.customers.append(customer)
            await customer.shop(stop)


class TestKilledShop:
    async def test_loses_no_cent_and_no_key(self, shop: ShopProcess, request: Any):
        kills = request.config.getoption("--kills") or _KILLS
        db = Database(shop.database_url, guard=RedisCommitGuard(None))
        await db.open()
        async with httpx2.AsyncClient(base_url=shop.url, timeout=20) as client:
            market = Market(shop, db, client)
            await market.open()

            await market.trade(kills)

            for customer in market.customers:
                await self.check_customer(customer)
        await db.close()
        await self.check_books(shop, market.history)

        # Otherwise nothing was tried.
        assert market.history.repeated > 0
        assert market.history.refused
        assert market.history.cancelled
        assert market.office.refunds > 0
        assert market.office.deliveries > 0

    async def check_customer(self, customer: Customer) -> None:
        """The customer sees every order, its keys, and books that add up."""
        orders = {order["id"]: order for order in await customer.person.get("/api/orders")}
        assert set(orders) == set(customer.ordered)
        entries = await customer.person.get("/api/user/transactions")
        balance = (await customer.person.get("/api/user/balance"))["balance"]
        assert money(balance) == sum(money(entry["amount"]) for entry in entries)
        for order_id in customer.ordered:
            order = await customer.person.get(f"/api/orders/{order_id}")
            _, key = customer.history.placed[order_id]
            customer.history.note_order(customer.person.id, key, order)
            paid = [
                money(entry["amount"])
                for entry in entries
                if entry["type"] == "PURCHASE" and entry["orderId"] == order_id
            ]
            assert paid == [-money(order["total"])]

    async def check_books(self, shop: ShopProcess, history: History) -> None:
        url = shop.database_url
        audited = shop.run("audit")
        assert audited.returncode == 0, audited.stdout
        assert await read(url, _UNBALANCED) == []
        (sums,) = await read(url, _SUMS)
        assert sums["balances"] == sums["ledger"]

        # Each order that was answered with 201 exists, and no other; each key of a request has one.
        stored = {row["id"]: row["userId"] for row in await read(url, _ORDERS)}
        assert stored == {order_id: user for order_id, (user, _) in history.placed.items()}
        assert max(Counter(key for _, key in history.placed.values()).values()) == 1
        assert not history.refused & {key for _, key in history.placed.values()}

        # Each payment is credited once.
        credited = [tuple(row) for row in await read(url, _PAYMENTS)]
        assert len(credited) == len(history.paid)
        assert {payment: (user, amount) for payment, user, amount in credited} == history.paid

        # No key has two owners, and no customer saw the key of another order.
        owners = [tuple(row) for row in await read(url, _OWNERS)]
        assert len({key for key, _, _ in owners}) == len(owners)
        assert [row for row in owners if row[1] != row[2]] == []
        shown = Counter(text for texts in history.shown.values() for text in texts)
        assert "" not in shown
        assert len(shown) == len(owners)
        assert max(shown.values()) == 1
        assert (await read(url, _USES))[0][0] <= 60
        assert await read(url, _DEAD_LETTERS) == []
        cancelled = {
            row["id"]: row["status"] for row in await read(url, _CANCELLED, [*history.cancelled])
        }
        assert cancelled == dict.fromkeys(history.cancelled, "CANCELLED")


def money(amount: float) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal("0.01"))
