"""Credentials, the rate limit, and routes."""

import httpx2
import pytest

from g2a_simulator.credentials import BuyerCredentials
from g2a_simulator.market import Market
from tests.factories.simulator_buyer import AUTHORIZATION, CERTIFICATES, FIRST, buying_from, code_of

EVERY_CALL = [
    ("GET", "/v1/products"),
    ("POST", "/v1/order"),
    ("PUT", "/v1/order/pay/1"),
    ("GET", "/v1/order/details/1"),
    ("GET", "/v1/order/key/1"),
]


class TestAuthorization:
    @pytest.mark.parametrize(("method", "path"), EVERY_CALL)
    async def test_is_checked_before_anything_else(self, buyer, method, path):
        async with httpx2.AsyncClient(
            base_url=buyer.http.base_url, verify=CERTIFICATES
        ) as stranger:
            missing = await stranger.request(method, path, content=b"{")
            wrong = await stranger.request(
                method, path, content=b"{", headers={"Authorization": AUTHORIZATION + "0"}
            )

        assert code_of(missing) == (403, "AUTH01")
        assert code_of(wrong) == (401, "AUTH02")

    async def test_follows_other_credentials(self):
        credentials = BuyerCredentials(
            "games-games-games", "test123@integration-api.g2a", "quite-nice-secret"
        )
        key = "5feaefae655d6d2dcfb27f22e700495aa90e255fc0ad93bc22dfc0ed770fae21"

        assert credentials.header == f"games-games-games, {key}"
        async with buying_from(Market(20, credentials=credentials)) as buyer:
            refused = await buyer.products()
            buyer.http.headers["Authorization"] = credentials.header
            accepted = await buyer.products()

        assert code_of(refused) == (401, "AUTH02")
        assert accepted.status_code == 200

    def test_prints_no_secret(self):
        assert "quite-nice-secret" not in repr(BuyerCredentials("id", "mail", "quite-nice-secret"))


class TestRequestLimit:
    async def test_admits_only_the_limit_in_any_minute(self, buyer, market, clock):
        market.settings.requests_per_minute = 3
        for _ in range(2):
            await buyer.products()
        clock.forward(59)
        third, refused = await buyer.products(), await buyer.products()
        clock.forward(1)
        admitted = [await buyer.products() for _ in range(3)]

        assert third.status_code == 200
        assert code_of(refused) == (429, "BR03")
        assert "retry-after" not in refused.headers
        assert [each.status_code for each in admitted] == [200, 200, 429]
        assert market.ledger.most_in_60s == 5

    async def test_comes_before_the_content_of_a_call(self, buyer, market):
        market.settings.requests_per_minute = 0

        assert code_of(await buyer.order(product_id="nonsense")) == (429, "BR03")

    async def test_ignores_calls_without_credentials(self, buyer, market):
        market.settings.requests_per_minute = 1
        del buyer.http.headers["Authorization"]
        await buyer.products()
        buyer.http.headers["Authorization"] = AUTHORIZATION

        assert (await buyer.products()).status_code == 200


class TestAddresses:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1"),
            ("GET", "/v1/products/10000000001001"),
            ("POST", "/v1/products"),
            ("GET", "/v1/order"),
            ("POST", "/v1/order/pay/1"),
            ("PUT", "/v1/order/pay"),
            ("GET", "/v2/products"),
            ("POST", "/oauth/token"),
            ("GET", "/v3/sales/offers"),
            ("GET", "/v4/sales/orders"),
            ("GET", "/integration-api/v1/token"),
        ],
    )
    async def test_that_the_buyers_api_does_not_have_are_wrong(self, buyer, method, path):
        assert code_of(await buyer.http.request(method, path)) == (404, "WRONGURL")

    async def test_may_have_a_doubled_slash(self, buyer):
        answer = await buyer.http.get(f"{buyer.http.base_url}//v1/products")

        assert answer.status_code == 200

    async def test_serve_several_calls_on_one_connection(self, buyer):
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(
            base_url=buyer.http.base_url,
            headers=buyer.http.headers,
            limits=limits,
            verify=CERTIFICATES,
        ) as one:
            statuses = [(await one.get("/v1/products")).status_code for _ in range(3)]
            ordered = await one.post("/v1/order", json={"product_id": FIRST})

        assert [*statuses, ordered.status_code] == [200, 200, 200, 200]
