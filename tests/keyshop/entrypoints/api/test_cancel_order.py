"""Cancelling an order over HTTP."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx2
import pytest_asyncio
from msgspec.structs import replace

from keyshop.kit.database.pool import Database
from keyshop.orders.models import BuyingPolicy
from tests.factories.api_app import make_app, order_parts
from tests.factories.browsers import Person, message_of, open_browser
from tests.factories.orders import make_buyer, placed, rows_of, stock_game, violations
from tests.factories.wallet import balance_of

TO_BUY: dict[str, Any] = {"g2aStock": True, "g2aProductId": "10000000000001"}


@pytest_asyncio.fixture
async def buyer(db: Database):
    """Yield a customer with 100 EUR of a shop that buys keys from its supplier."""
    parts = replace(order_parts(), policy=BuyingPolicy(buying_open=True))
    async with open_browser(make_app(db, orders=parts)) as browser:
        yield await make_buyer(db, browser.client, "100.00")


async def _cancel(person: Person, order_id: str, **more: Any) -> httpx2.Response:
    return await person.request("POST", f"/api/orders/{order_id}/cancel", **more)


class TestCancel:
    async def test_gives_the_money_back_and_shows_the_order_as_cancelled(
        self, db: Database, buyer: Person
    ):
        game = await stock_game(db, 0, **TO_BUY)
        order = await placed(buyer, {game: 2})
        assert order["status"] == "PROCESSING"

        answer = await _cancel(buyer, order["id"], json={"reason": " Too\nslow "})

        assert answer.status_code == 200
        assert answer.json() == {"success": True, "message": "Order cancelled"}
        shown = await buyer.get(f"/api/orders/{order['id']}")
        assert (shown["status"], shown["paymentStatus"]) == ("CANCELLED", "CANCELLED")
        assert (shown["refunded"], shown["items"][0]["refunded"]) == (20.0, 2)
        assert await balance_of(db, buyer.id) == Decimal("100.00")
        reasons = await rows_of(db, "SELECT DISTINCT reason, by FROM keyshop.refunds")
        assert reasons == [("Too slow", "customer")]
        assert await violations(db) == []

    async def test_fifty_times_in_parallel_answers_each_and_refunds_once(
        self, db: Database, buyer: Person
    ):
        game = await stock_game(db, 0, **TO_BUY)
        order = await placed(buyer, {game: 1})

        answers = await asyncio.gather(*(_cancel(buyer, order["id"]) for _ in range(50)))

        assert {answer.status_code for answer in answers} == {200}
        assert await balance_of(db, buyer.id) == Decimal("100.00")

    async def test_of_a_delivered_order_is_refused(self, db: Database, buyer: Person):
        order = await placed(buyer, {await stock_game(db, 1): 1})

        answer = await _cancel(buyer, order["id"])

        assert answer.status_code == 409
        assert message_of(answer) == "This order can no longer be cancelled."

    async def test_of_what_is_not_the_customers_order_finds_none(self, db: Database, buyer: Person):
        order = await placed(buyer, {await stock_game(db, 0, **TO_BUY): 1})
        other = await make_buyer(db, buyer.client, "0.00")

        for order_id in (order["id"], order["id"][:8], "x' OR '1'='1", "ä"):
            answer = await _cancel(other, order_id)
            assert (answer.status_code, message_of(answer)) == (404, "Order not found"), order_id
        nobody = await _cancel(Person(buyer.client), order["id"])
        assert nobody.status_code == 401

        assert (await buyer.get(f"/api/orders/{order['id']}"))["status"] == "PROCESSING"

    async def test_with_a_body_that_cannot_be_read_changes_nothing(
        self, db: Database, buyer: Person
    ):
        order = await placed(buyer, {await stock_game(db, 0, **TO_BUY): 1})

        for body in (b"{", b"[]", b'{"reason": 1}', b'{"reason": "\\u0000"}'):
            answer = await _cancel(buyer, order["id"], content=body)
            assert answer.status_code == 400, body
        too_long = await _cancel(buyer, order["id"], json={"reason": "x" * 501})
        assert (too_long.status_code, message_of(too_long)) == (
            400,
            "The reason must have 1 to 500 characters.",
        )

        assert (await buyer.get(f"/api/orders/{order['id']}"))["status"] == "PROCESSING"
        for reason in (None, "", "  "):
            assert (await _cancel(buyer, order["id"], json={"reason": reason})).status_code == 200

    async def test_is_unavailable_while_it_is_unknown_what_was_lost(
        self, db: Database, buyer: Person
    ):
        order = await placed(buyer, {await stock_game(db, 0, **TO_BUY): 1})
        async with db.transaction() as tx:
            await tx.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")

        answer = await _cancel(buyer, order["id"])

        assert answer.status_code == 503
        assert message_of(answer).startswith("Buying is paused")
