"""Orders, payments and keys: the flow, its states, and every refusal."""

import uuid
from decimal import Decimal

import pytest

from tests.factories.simulator_buyer import FIRST, SECOND, code_of


class TestBuyingAKey:
    async def test_goes_from_order_to_key(self, buyer, market, clock):
        ordered = (await buyer.order(max_price=10)).json()
        new = (await buyer.details(ordered["order_id"])).json()
        paid = (await buyer.pay(ordered["order_id"])).json()
        pending = (await buyer.details(ordered["order_id"])).json()
        clock.forward(0.5)
        complete = (await buyer.details(ordered["order_id"])).json()
        key = (await buyer.key(ordered["order_id"])).json()

        assert ordered == {"order_id": "80201019921771", "price": 10, "currency": "EUR"}
        assert new == {"status": "new", "price": 10, "currency": "EUR"}
        assert paid["status"] is True
        assert uuid.UUID(paid["transaction_id"]).version == 4
        assert (pending["status"], complete["status"]) == ("pending", "complete")
        assert list(key) == ["key", "isFile"]
        assert key["isFile"] is False
        assert market.wallet.balance == Decimal(9990)
        assert market.product(FIRST)["qty"] == 4

    async def test_gives_no_key_twice(self, buyer, clock):
        keys = set()
        for _ in range(5):
            order_id = await buyer.paid_order()
            clock.forward(1)
            keys.add((await buyer.key(order_id)).json()["key"])

        assert len(keys) == 5

    async def test_can_deliver_a_file(self, buyer, market, clock):
        market.settings.keys_are_files = True
        order_id = await buyer.paid_order()
        clock.forward(1)

        assert (await buyer.key(order_id)).json()["isFile"] is True


class TestPlacingAnOrder:
    async def test_holds_the_key_for_thirty_minutes(self, buyer, market, clock):
        order_id = (await buyer.order()).json()["order_id"]
        clock.forward(1799)
        await buyer.products()
        held = market.product(FIRST)["qty"]
        clock.forward(1)
        await buyer.products()

        assert (held, market.product(FIRST)["qty"]) == (4, 5)
        assert (await buyer.details(order_id)).json()["status"] == "new"
        assert code_of(await buyer.pay(order_id)) == (403, "ORD114")
        assert market.wallet.payments == []

    async def test_never_expires_a_paid_order(self, buyer, market, clock):
        order_id = await buyer.paid_order()
        clock.forward(4000)

        assert (await buyer.details(order_id)).json()["status"] == "complete"
        assert market.product(FIRST)["qty"] == 4

    async def test_sells_no_more_than_there_is(self, buyer, market):
        market.set_product(FIRST, qty=1)

        assert (await buyer.order()).status_code == 200
        assert code_of(await buyer.order()) == (400, "BR02")

    async def test_refuses_a_ceiling_below_the_minimal_price(self, buyer, market):
        market.set_product(FIRST, minPrice=6, retail_min_price=5.28)

        assert code_of(await buyer.order(max_price=5.28)) == (400, "BR02")
        assert (await buyer.order(max_price=0)).status_code == 200

    async def test_may_charge_the_retail_price_below_or_above_the_listed_one(self, buyer, market):
        market.settings.charged = "retail_min_price"
        market.set_product(FIRST, minPrice=6, retail_min_price=5.28)
        market.set_product(SECOND, minPrice=4.77, retail_min_price=6.3, qty=1)

        assert (await buyer.order(FIRST, max_price=6)).json()["price"] == 5.28
        assert (await buyer.order(SECOND, max_price=5)).json()["price"] == 6.3

    async def test_converts_to_another_currency(self, buyer, market):
        ordered = (await buyer.order(currency="USD", max_price=10)).json()
        await buyer.pay(ordered["order_id"])

        assert (ordered["price"], ordered["currency"]) == (10.8, "USD")
        assert market.wallet.balance == Decimal(9990)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "BR01"),
            (b"{", "BR01"),
            (b"\xff", "BR01"),
            (b"[" * 5000, "BR01"),
            (b'{"product_id": 1', "BR01"),
            (b"[]", "BR02"),
            (b"{}", "BR02"),
            (b'{"product_id": 10000000001001}', "BR02"),
            (b'{"product_id": "10000000001001", "max_price": "5"}', "BR02"),
            (b'{"product_id": "10000000001001", "max_price": -1}', "BR02"),
            (b'{"product_id": "10000000001001", "max_price": true}', "BR02"),
            (b'{"product_id": "10000000001001", "currency": "XXX"}', "BR02"),
            (b'{"product_id": "10000000001001", "min_rating": 1.5}', "BR02"),
            (b'{"product_id": "10000000001001", "max_price": 5, "auction_id": 7}', "BR02"),
            (b'{"product_id": "10000099999001"}', "BR04"),
            (b'{"product_id": "none"}', "BR04"),
        ],
    )
    async def test_refuses_an_invalid_order(self, buyer, market, body, code):
        answer = await buyer.http.post(
            "/v1/order", content=body, headers={"content-type": "application/json"}
        )

        assert code_of(answer) == (400, code)
        assert len(market.orders) == 0

    async def test_refuses_another_content_type(self, buyer):
        answer = await buyer.http.post("/v1/order", data={"product_id": FIRST})

        assert code_of(answer) == (400, "CTTYPE")

    async def test_refuses_an_unavailable_product(self, buyer, market):
        market.set_product(FIRST, availableToBuy=False)

        assert code_of(await buyer.order()) == (400, "BR02")


class TestPaying:
    async def test_takes_the_money_once(self, buyer, market):
        order_id = (await buyer.order()).json()["order_id"]

        first, second = await buyer.pay(order_id), await buyer.pay(order_id)

        assert first.json() == second.json()
        assert len(market.wallet.payments) == 1

    async def test_may_refuse_a_second_payment(self, buyer, market):
        market.settings.second_payment = "ORD110"
        order_id = await buyer.paid_order()

        assert code_of(await buyer.pay(order_id)) == (400, "ORD110")

    async def test_needs_enough_money(self, buyer, market):
        market.wallet.balance = Decimal("9.99")
        order_id = (await buyer.order()).json()["order_id"]
        refused = await buyer.pay(order_id)
        market.top_up(Decimal("0.01"))
        accepted = await buyer.pay(order_id)

        assert code_of(refused) == (403, "ORD112")
        assert accepted.status_code == 200
        assert market.wallet.balance == 0


class TestCollectingTheKey:
    async def test_needs_a_payment_that_is_processed(self, buyer, market):
        order_id = (await buyer.order()).json()["order_id"]
        unpaid = await buyer.key(order_id)
        await buyer.pay(order_id)
        unready = await buyer.key(order_id)
        market.settings.not_processed_yet = "ORD05"
        unready_too = await buyer.key(order_id)

        assert code_of(unpaid) == (402, "ORD05")
        assert code_of(unready) == (400, "ORD06")
        assert code_of(unready_too) == (402, "ORD05")

    @pytest.mark.parametrize(
        ("setting", "answer"),
        [("ORD04", (400, "ORD04")), ("ORD004", (400, "ORD004")), ("ORD04 404", (404, "ORD04"))],
    )
    async def test_works_once(self, buyer, market, clock, setting, answer):
        market.settings.downloaded_already = setting
        order_id = await buyer.paid_order()
        clock.forward(1)

        assert (await buyer.key(order_id)).status_code == 200
        assert code_of(await buyer.key(order_id)) == answer


class TestOrderAddresses:
    @pytest.mark.parametrize("call", ["pay", "details", "key"])
    async def test_need_the_id_of_an_existing_order(self, buyer, call):
        assert code_of(await getattr(buyer, call)("abc")) == (400, "ORD01")
        assert code_of(await getattr(buyer, call)("12345")) == (404, "ORD02")

    async def test_show_a_forced_state(self, buyer, market):
        order_id = await buyer.paid_order()
        market.force_status(order_id, "canceled")

        assert (await buyer.details(order_id)).json()["status"] == "canceled"
        assert code_of(await buyer.key(order_id)) == (400, "ORD06")
