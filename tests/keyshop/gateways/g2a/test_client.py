import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl

import httpx2
import pytest

from keyshop.supplier.errors import OutcomeUnknown, SupplierRefused, SupplierUnavailable
from keyshop.supplier.models import OrderDetails, Payment, PlacedOrder, ProductFilter
from tests.factories.canned_supplier import (
    SANDBOX,
    Canned,
    answer,
    canned_client,
    make_doc,
    make_page,
    refusal,
)

DEEDS = ["place_order", "pay_order", "fetch_key"]
QUESTIONS = ["list_products", "find_product", "get_order"]

NEVER_LEFT = [
    httpx2.ConnectError("refused"),
    httpx2.ConnectTimeout("slow"),
    httpx2.PoolTimeout("full"),
    httpx2.ProxyError("403"),
]
MAY_HAVE_ARRIVED = [
    httpx2.ReadTimeout("slow"),
    httpx2.WriteTimeout("slow"),
    httpx2.ReadError("reset"),
    httpx2.WriteError("reset"),
    httpx2.RemoteProtocolError("cut"),
    httpx2.DecodingError("gzip"),
    httpx2.Response(200, content=b"<html>Welcome</html>"),
    httpx2.Response(200, content=b'{"cut": '),
    httpx2.Response(204),
    httpx2.Response(302, headers={"location": "http://elsewhere.test/"}),
    httpx2.Response(500),
    httpx2.Response(502),
]


async def call(client, name):
    if name == "place_order":
        return await client.place_order("10000068865001", max_price=Decimal("4.77"))
    if name == "list_products":
        return await client.list_products(1)
    return await getattr(client, name)("10000068865001")


class TestListProducts:
    async def test_asks_for_the_page_and_for_what_is_out_of_stock(self) -> None:
        canned = Canned(answer(200, make_page(make_doc(), page=7, total=130)))

        async with canned_client(canned) as client:
            page = await client.list_products(7)

        assert (page.number, page.total, len(page.products)) == (7, 130, 1)
        sent = canned.requests[0]
        assert sent.url.path == "/v1/products"
        assert sent.headers["authorization"] == SANDBOX.authorization().reveal()
        assert "keyshop" in sent.headers["user-agent"]
        assert dict(sent.url.params) == {"page": "7", "includeOutOfStock": "true"}

    async def test_sends_the_bounds_in_g2as_formats(self) -> None:
        only = ProductFilter(
            min_price_from=Decimal("0.10"),
            min_price_to=Decimal("1E+2"),
            updated_from=datetime(2026, 1, 2, 3, 4, 5, 900_000, tzinfo=UTC),
            updated_to=datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC),
            include_out_of_stock=False,
        )
        canned = Canned(answer(200, make_page()))

        async with canned_client(canned) as client:
            await client.list_products(1, only=only)

        assert dict(parse_qsl(canned.requests[0].url.query.decode())) == {
            "page": "1",
            "minPriceFrom": "0.10",
            "minPriceTo": "100",
            "updatedAtFrom": "2026-01-02 03:04:05",
            "updatedAtTo": "2026-01-02 03:04:06",
            "includeOutOfStock": "false",
        }


class TestFindProduct:
    async def test_finds_the_product_in_the_list(self) -> None:
        canned = Canned(answer(200, make_page(make_doc())))

        async with canned_client(canned) as client:
            product = await client.find_product("10000068865001")

        assert product is not None
        assert product.id == "10000068865001"
        assert dict(canned.requests[0].url.params) == {
            "id": "10000068865001",
            "includeOutOfStock": "true",
        }

    async def test_finds_nothing_when_the_list_is_empty(self) -> None:
        async with canned_client(Canned(answer(200, make_page()))) as client:
            assert await client.find_product("10000068865001") is None

    @pytest.mark.parametrize(
        "page",
        [make_page(make_doc(id="777")), make_page(make_doc(minPrice=-1)), make_page(total=1)],
        ids=["another product", "a bad product", "a product that is not there"],
    )
    async def test_accepts_no_other_answer(self, page) -> None:
        async with canned_client(Canned(answer(200, page))) as client:
            with pytest.raises(SupplierUnavailable):
                await client.find_product("10000068865001")


class TestPlaceOrder:
    async def test_sends_the_id_as_text_and_the_limit_as_a_number(self) -> None:
        canned = Canned(
            answer(200, {"order_id": "80201019921771", "price": 4.7, "currency": "EUR"})
        )

        async with canned_client(canned) as client:
            order = await client.place_order("10000068865001", max_price=Decimal("4.770"))

        assert order == PlacedOrder(id="80201019921771", price=Decimal("4.7"), currency="EUR")
        sent = canned.requests[0]
        assert (sent.method, sent.url.path) == ("POST", "/v1/order")
        assert sent.headers["content-type"] == "application/json"
        assert json.loads(sent.content, parse_float=str) == {
            "product_id": "10000068865001",
            "currency": "EUR",
            "max_price": "4.770",
        }

    @pytest.mark.parametrize("max_price", ["0", "-1", "NaN", "Infinity"])
    async def test_never_orders_without_a_limit(self, max_price) -> None:
        canned = Canned(answer(200, {}))

        async with canned_client(canned) as client:
            with pytest.raises(SupplierRefused):
                await client.place_order("10000068865001", max_price=Decimal(max_price))

        assert not canned.requests

    @pytest.mark.parametrize(
        "body", [{}, {"order_id": "80201"}, {"order_id": "8/../2", "price": 1}, {"price": 1}]
    )
    async def test_has_an_unknown_outcome_without_id_or_price(self, body) -> None:
        async with canned_client(Canned(answer(200, body))) as client:
            with pytest.raises(OutcomeUnknown):
                await client.place_order("10000068865001", max_price=Decimal(5))


class TestPayOrder:
    async def test_sends_nothing_and_says_so(self) -> None:
        canned = Canned(answer(200, {"status": True, "transaction_id": "4b1c"}))

        async with canned_client(canned) as client:
            payment = await client.pay_order("80201019921771")

        assert payment == Payment(transaction_id="4b1c")
        sent = canned.requests[0]
        assert (sent.method, sent.url.path) == ("PUT", "/v1/order/pay/80201019921771")
        assert sent.headers["content-length"] == "0"
        assert sent.content == b""

    @pytest.mark.parametrize(
        "body",
        [
            {"status": False, "transaction_id": "4b1c"},
            {"transaction_id": "4b1c"},
            {"status": True},
            {"status": "ERROR", "code": "ORD112"},
        ],
    )
    async def test_accepts_no_other_answer_as_a_payment(self, body) -> None:
        async with canned_client(Canned(answer(200, body))) as client:
            with pytest.raises(OutcomeUnknown):
                await client.pay_order("80201019921771")


class TestGetOrder:
    async def test_returns_what_the_supplier_sends(self) -> None:
        canned = Canned(answer(200, {"status": "pending", "price": "4.70", "currency": "EUR"}))

        async with canned_client(canned) as client:
            details = await client.get_order("80201019921771")

        assert details == OrderDetails(status="pending", price=Decimal("4.70"), currency="EUR")
        assert canned.requests[0].url.path == "/v1/order/details/80201019921771"


class TestFetchKey:
    async def test_hands_the_key_over_unprinted(self) -> None:
        canned = Canned(answer(200, {"key": "ABCD-EFGH", "isFile": False}))

        async with canned_client(canned) as client:
            delivered = await client.fetch_key("80201019921771")

        assert delivered.key.reveal() == "ABCD-EFGH"
        assert "ABCD" not in repr(delivered)
        assert canned.requests[0].url.path == "/v1/order/key/80201019921771"


class TestDeeds:
    @pytest.mark.parametrize("name", DEEDS)
    @pytest.mark.parametrize("failure", NEVER_LEFT, ids=repr)
    async def test_did_not_happen_when_the_call_was_never_sent(self, name, failure) -> None:
        canned = Canned(failure)

        async with canned_client(canned) as client:
            with pytest.raises(SupplierUnavailable):
                await call(client, name)

        assert len(canned.requests) == 1

    @pytest.mark.parametrize("name", DEEDS)
    @pytest.mark.parametrize("failure", MAY_HAVE_ARRIVED, ids=repr)
    async def test_may_have_happened_when_the_answer_is_lost_and_are_not_repeated(
        self, name, failure
    ) -> None:
        canned = Canned(failure)

        async with canned_client(canned) as client:
            with pytest.raises(OutcomeUnknown):
                await call(client, name)

        assert len(canned.requests) == 1

    @pytest.mark.parametrize("name", DEEDS)
    async def test_are_not_repeated_when_there_were_too_many_calls(self, name) -> None:
        canned = Canned(refusal(429, "BR03"))

        async with canned_client(canned) as client:
            with pytest.raises(SupplierUnavailable):
                await call(client, name)

        assert len(canned.requests) == 1


class TestQuestions:
    @pytest.mark.parametrize("name", QUESTIONS)
    @pytest.mark.parametrize(
        "failure", [*NEVER_LEFT, *MAY_HAVE_ARRIVED, refusal(429, "BR03")], ids=repr
    )
    async def test_are_repeated_while_the_supplier_is_unavailable(self, name, failure) -> None:
        canned = Canned(failure)

        async with canned_client(canned) as client:
            with pytest.raises(SupplierUnavailable):
                await call(client, name)

        assert len(canned.requests) == 3

    async def test_are_answered_once_the_supplier_is_back(self) -> None:
        canned = Canned(answer(503), httpx2.ReadError("reset"), answer(200, make_page()))

        async with canned_client(canned) as client:
            page = await client.list_products(1)

        assert page.total == 0
        assert len(canned.requests) == 3

    @pytest.mark.parametrize("name", QUESTIONS)
    async def test_are_not_repeated_when_refused(self, name) -> None:
        canned = Canned(refusal(401, "AUTH02"))

        async with canned_client(canned) as client:
            with pytest.raises(SupplierRefused, match="check client id"):
                await call(client, name)

        assert len(canned.requests) == 1


class TestIds:
    @pytest.mark.parametrize("name", ["find_product", "pay_order", "get_order", "fetch_key"])
    @pytest.mark.parametrize("wrong", ["", "abc", "1/../2", "1?x=1", "\u0661"])
    async def test_of_another_format_are_never_sent(self, name, wrong) -> None:
        canned = Canned(answer(200, {}))

        async with canned_client(canned) as client:
            with pytest.raises(SupplierRefused):
                await getattr(client, name)(wrong)

        assert not canned.requests
