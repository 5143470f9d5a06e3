"""The control API and the start page."""

import pytest

from tests.factories.simulator_buyer import FIRST, SECOND


class TestControlApi:
    async def test_shows_the_totals_of_the_market(self, buyer):
        await buyer.paid_order()

        summary = (await buyer.http.get("/_simulator/")).json()

        assert summary == {
            "products": 100, "seed": 1, "mode": "realistic", "orders": 1, "wallet": 9990,
            "calls": 2, "most_in_60s": 2, "faults": 0,
        }  # fmt: skip

    async def test_reads_and_changes_products(self, buyer, market):
        changed = await buyer.http.patch(f"/_simulator/products/{FIRST}", json={"minPrice": 2.5})
        await buyer.http.put(
            f"/_simulator/products/{SECOND}/override",
            json={"fields": {"minPrice": -1}, "without": ["id"]},
        )
        await buyer.http.post("/_simulator/products", json={"id": "10000000001500"})
        await buyer.http.delete("/_simulator/products/10000000003001")
        ids = (await buyer.http.get("/_simulator/products", params={"limit": 3})).json()
        docs = (await buyer.products(includeOutOfStock="true")).json()["docs"]

        assert changed.json() == market.product(FIRST)
        assert changed.json()["minPrice"] == 2.5
        assert ids == {"total": 100, "ids": [FIRST, "10000000001500", SECOND]}
        assert docs[0]["minPrice"] == 2.5
        assert docs[2]["minPrice"] == -1
        assert "id" not in docs[2]

    async def test_shows_orders_with_keys_without_using_them_up(self, buyer, market, clock):
        order_id = await buyer.paid_order()
        clock.forward(1)

        listed = (await buyer.http.get("/_simulator/orders")).json()
        shown = (await buyer.http.get(f"/_simulator/orders/{order_id}")).json()
        handed_out = (await buyer.key(order_id)).json()["key"]

        assert listed["orders"] == [shown]
        assert shown["status"] == "complete"
        assert shown["key"] == handed_out

    async def test_makes_an_order_look_failed(self, buyer):
        order_id = await buyer.paid_order()
        await buyer.http.patch(f"/_simulator/orders/{order_id}", json={"status": "failed"})

        assert (await buyer.details(order_id)).json()["status"] == "failed"

    async def test_tops_the_wallet_up(self, buyer, market):
        answer = await buyer.http.post("/_simulator/wallet", json={"amount": 12.34})

        assert answer.json() == {"balance": 10012.34}
        assert market.wallet.movements[0].kind == "top-up"

    async def test_switches_faults(self, buyer, market):
        await buyer.http.post(
            "/_simulator/faults", json={"endpoint": "products", "kind": "bad_gateway", "calls": 2}
        )
        await buyer.http.post(
            "/_simulator/faults", json={"endpoint": "pay", "kind": "ORD121", "rate": 0.5}
        )
        listed = (await buyer.http.get("/_simulator/faults")).json()
        broken = await buyer.products()
        await buyer.http.delete("/_simulator/faults", params={"endpoint": "products"})
        mended = await buyer.products()

        assert [each["fault"]["kind"] for each in listed["on"]] == ["bad_gateway", "ORD121"]
        assert "short_page" in listed["possible"]["products"]
        assert (broken.status_code, mended.status_code) == (502, 200)
        assert len(market.faults.switches()) == 1

    async def test_lists_all_recorded_calls(self, buyer):
        for page in (1, 2, 0):
            await buyer.products(page=page)

        ledger = (await buyer.http.get("/_simulator/ledger", params={"last": 1})).json()
        await buyer.http.delete("/_simulator/ledger")
        emptied = (await buyer.http.get("/_simulator/ledger")).json()

        assert (ledger["total"], ledger["most_in_60s"]) == (3, 3)
        assert ledger["counts"] == [
            {"endpoint": "products", "status": 200, "calls": 2},
            {"endpoint": "products", "status": 400, "calls": 1},
        ]
        assert [call["target"] for call in ledger["calls"]] == ["/v1/products?page=0"]
        assert (emptied["total"], emptied["calls"]) == (0, [])

    async def test_changes_settings(self, buyer, market):
        answer = await buyer.http.patch("/_simulator/settings", json={"page_ceiling": None})

        assert answer.json()["page_ceiling"] is None
        assert market.settings.page_ceiling is None

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "products/1", None, 404),
            ("GET", "products/abc", None, 404),
            ("PATCH", f"products/{FIRST}", {"minPrice": -1}, 400),
            ("PATCH", f"products/{FIRST}", {"minPrice": "cheap"}, 400),
            ("PATCH", f"products/{FIRST}", {"qty": 1.5}, 400),
            ("PATCH", f"products/{FIRST}", {"price": 1}, 400),
            ("PATCH", f"products/{FIRST}", {"id": "7"}, 400),
            ("POST", "products", {"id": FIRST}, 400),
            ("POST", "products", {}, 400),
            ("GET", "orders/1", None, 404),
            ("POST", "wallet", {"amount": -5}, 400),
            ("POST", "wallet", {"amount": "much"}, 400),
            ("POST", "faults", {"endpoint": "products", "kind": "boredom"}, 400),
            ("POST", "faults", [], 400),
            ("PATCH", "settings", {"latency_ms": -1}, 400),
            ("PATCH", "settings", {"colour": "blue"}, 400),
            ("GET", "ledger?last=x", None, 400),
            ("GET", "nothing", None, 404),
            ("PUT", "ledger", None, 404),
        ],
    )
    async def test_refuses_with_a_sentence(self, buyer, method, path, body, status):
        answer = await buyer.http.request(method, f"/_simulator/{path}", json=body)

        assert answer.status_code == status
        assert answer.json()["error"].endswith(".")

    async def test_refuses_changes_from_a_page_of_another_site(self, buyer, market):
        answer = await buyer.http.delete(
            "/_simulator/ledger", headers={"Origin": "http://evil.example"}
        )

        assert answer.status_code == 403

    async def test_is_not_counted_as_a_call_of_a_buyer(self, buyer, market):
        await buyer.http.get("/_simulator/settings")

        assert market.ledger.count() == 0


class TestStartPage:
    async def test_shows_the_market(self, buyer, market):
        order_id = await buyer.paid_order()
        market.faults.rate("key", "hang", 0.25)

        page = (await buyer.http.get("/")).text

        for text in (
            "100</strong> products",
            "9990.00 EUR",
            order_id,
            FIRST,
            "25.0 %",
            "/v1/order/pay/",
        ):
            assert text in page

    async def test_escapes_texts_of_products(self, buyer, market):
        market.set_product(FIRST, name="<script>alert(1)</script>")
        await buyer.http.get("/v1/<script>")

        page = (await buyer.http.get("/")).text

        assert "<script>" not in page
        assert "&lt;script&gt;" in page

    async def test_shows_an_overridden_product(self, buyer, market):
        market.break_product(FIRST, without=["id", "name", "minPrice"])

        assert (await buyer.http.get("/")).status_code == 200

    async def test_has_working_forms(self, buyer, market):
        for form, values in {
            "fault": {"endpoint": "pay", "kind": "ORD121", "calls": "2", "rate": "", "seconds": ""},
            "wallet": {"amount": "2.50"},
            "settings": {"requests_per_minute": "null", "latency_ms": "", "page_ceiling": "7"},
            "product": {"id": FIRST, "minPrice": "1.25", "qty": "3", "name": "100"},
        }.items():
            pressed = await buyer.http.post(f"/_simulator/forms/{form}", data=values)
            assert (pressed.status_code, pressed.headers["location"]) == (303, "/")

        switch = market.faults.switches()[0]
        assert (switch.fault.kind, switch.calls_left) == ("ORD121", 2)
        assert market.wallet.movements[0].amount == 2.5
        assert (market.settings.requests_per_minute, market.settings.page_ceiling) == (None, 7)
        assert (market.product(FIRST)["minPrice"], market.product(FIRST)["qty"]) == (1.25, 3)
        assert market.product(FIRST)["name"] == "100"
        await buyer.http.post("/_simulator/forms/clear-faults")
        assert market.faults.switches() == []
