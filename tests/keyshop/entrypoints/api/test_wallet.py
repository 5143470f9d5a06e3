"""The customer's balance and transactions over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
import pytest_asyncio

from keyshop.kit.ids import new_id
from keyshop.wallet import ledger
from keyshop.wallet.models import Payment
from tests.factories.browsers import Person, open_browser
from tests.factories.cached_shop import until
from tests.factories.games import NOON
from tests.factories.observed_api import ObservedApi, open_observed_api
from tests.factories.wallet import give, set_balance

BALANCE = "/api/user/balance"
TRANSACTIONS = "/api/user/transactions"

_ADD_ROW = """
    INSERT INTO transactions (id, "userId", "orderId", type, amount, status)
    VALUES ($1, $2, $3, $4::text::"TransactionType", $5::text::numeric, 'COMPLETED')
"""


async def add_order(db, customer: str) -> str:
    order = new_id()
    async with db.transaction() as tx:
        sql = 'INSERT INTO orders (id, "userId", subtotal, total) VALUES ($1, $2, 9, 9)'
        await tx.execute(sql, order, customer)
    return order


class TestBalance:
    async def test_is_a_number_with_its_currency(self, alice: Person, stocked):
        await give(stocked, alice.id, "12.50")

        assert await alice.get(BALANCE) == {"balance": 12.5, "currency": "EUR"}

    async def test_of_a_deleted_customer_is_no_longer_shown(self, alice: Person, stocked):
        async with stocked.transaction() as tx:
            await tx.execute("DELETE FROM users WHERE id = $1", alice.id)

        for path in (BALANCE, TRANSACTIONS):
            assert (await alice.request("GET", path)).status_code in {401, 404}


class TestTransactions:
    async def test_are_shown_newest_first_with_the_fields_of_the_storefront(
        self, alice: Person, stocked
    ):
        order = await add_order(stocked, alice.id)
        async with stocked.transaction() as tx:
            paid_in = await ledger.credit(
                tx,
                user_id=alice.id,
                amount=Decimal("20.00"),
                payment=Payment(
                    method="card", description="Top-up", hash=f"hash-{order}", response="{}"
                ),
                now=NOON,
            )
            bought = await ledger.spend(
                tx,
                user_id=alice.id,
                amount=Decimal("8.01"),
                order_id=order,
                now=NOON + timedelta(seconds=1),
            )

        assert await alice.get(TRANSACTIONS) == [
            {
                "id": bought.id,
                "type": "PURCHASE",
                "amount": -8.01,
                "currency": "EUR",
                "method": "balance",
                "status": "COMPLETED",
                "description": f"Purchase of order {order}",
                "createdAt": "2026-06-15T12:00:01.000Z",
                "orderId": order,
            },
            {
                "id": paid_in.id,
                "type": "TOP_UP",
                "amount": 20,
                "currency": "EUR",
                "method": "card",
                "status": "COMPLETED",
                "description": "Top-up",
                "transactionHash": f"hash-{order}",
                "createdAt": "2026-06-15T12:00:00.000Z",
            },
        ]

    async def test_of_a_refund_name_the_order_of_the_refunded_key(self, alice: Person, stocked):
        order, unit = await add_order(stocked, alice.id), new_id()
        async with stocked.transaction() as tx:
            refund = await ledger.refund(
                tx, user_id=alice.id, amount=Decimal(9), description="Sold out", now=NOON
            )
            assert refund is not None
            await tx.execute(
                "INSERT INTO keyshop.order_units (id, order_id, item_id, user_id, game_id, state,"
                " price, charged, created_at) VALUES ($1, $2, $1, $3, $1, 'REFUNDED', 9, 9, $4)",
                unit,
                order,
                alice.id,
                NOON,
            )
            await tx.execute(
                "INSERT INTO keyshop.refunds VALUES ($1, $2, $1, $3, 9, 'Sold out', false, 'us', $4)",
                unit,
                order,
                refund.id,
                NOON,
            )

        (shown,) = await alice.get(TRANSACTIONS)

        assert (shown["type"], shown["amount"], shown["orderId"]) == ("REFUND", 9, order)

    async def test_of_other_programs_are_shown_as_far_as_they_are_numbers(
        self, alice: Person, stocked
    ):
        async with stocked.transaction() as tx:
            await tx.execute(_ADD_ROW, new_id(), alice.id, None, "PURCHASE", "NaN")

        (shown,) = await alice.get(TRANSACTIONS)

        assert shown["amount"] == 0
        assert not {"method", "description", "transactionHash", "orderId"} & shown.keys()

    async def test_are_empty_at_first_and_never_those_of_others(
        self, alice: Person, bob: Person, stocked
    ):
        await give(stocked, bob.id, "5.00")

        assert await alice.get(TRANSACTIONS) == []
        assert (await alice.get(BALANCE))["balance"] == 0

    @pytest.mark.parametrize("path", [BALANCE, TRANSACTIONS])
    async def test_are_refused_without_a_token(self, guest: Person, path: str):
        assert (await guest.request("GET", path)).status_code == 401


class TestCachedWallet:
    @pytest_asyncio.fixture
    async def api(self, database_url: str, valkey_url: str) -> AsyncIterator[ObservedApi]:
        async with open_observed_api(database_url, valkey_url) as opened:
            yield opened

    async def test_is_served_without_the_database_and_is_never_stale(self, api: ObservedApi):
        async with open_browser(api.app) as alice:
            await alice.register()

            async def is_cached(path: str) -> bool:
                before = api.db.reads
                await alice.get(path)
                return api.db.reads == before

            for path in (BALANCE, TRANSACTIONS):
                await until(partial(is_cached, path))

            await give(api.db, alice.id, "7.25")
            assert (await alice.get(BALANCE))["balance"] == 7.25
            assert [row["amount"] for row in await alice.get(TRANSACTIONS)] == [7.25]

            await set_balance(api.db, alice.id, "3.50")
            assert (await alice.get(BALANCE))["balance"] == 3.5
