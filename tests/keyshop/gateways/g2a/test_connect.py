"""The client against the simulator, over HTTP."""

import logging
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx2
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from g2a_simulator.faults import KINDS
from g2a_simulator.market import Market
from keyshop.gateways.g2a.calls import Call
from keyshop.gateways.g2a.client import G2AClient
from keyshop.gateways.g2a.connect import connect_g2a
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.exchange import Exchange
from keyshop.kit.secrets import Secret
from keyshop.supplier.errors import (
    OutcomeUnknown,
    SupplierError,
    SupplierRefused,
    SupplierUnavailable,
)
from tests.factories.canned_supplier import BRISK, SANDBOX

# What can go wrong at once; "hang" and "slow" are a matter of time.
_INSTANT = sorted(set(KINDS) - {"hang", "slow", "short_page", "price_moved", "stock_gone"})
_NOTHING_HAPPENED = {"rate_limited"}


@pytest_asyncio.fixture
async def client(simulator_url: str) -> AsyncIterator[G2AClient]:
    connected = connect_g2a(base_url=simulator_url, credentials=SANDBOX, budget=None, retries=BRISK)
    async with connected as lent:
        yield lent


@pytest_asyncio.fixture
async def exchange(simulator_url: str) -> AsyncIterator[Exchange]:
    async with httpx2.AsyncClient() as http:
        yield Exchange(http, base_url=simulator_url, credentials=SANDBOX, budget=None)


async def order_something(client: G2AClient) -> str:
    page = await client.list_products(1)
    product = next(p for p in page.products if p.qty > 0 and p.available_to_buy)
    order = await client.place_order(product.id, max_price=Decimal(1000))
    return order.id


def calls_counted(endpoint: str, outcome: str) -> float:
    labels = {"endpoint": endpoint, "outcome": outcome}
    return REGISTRY.get_sample_value("keyshop_supplier_calls_total", labels) or 0.0


class TestCatalogue:
    async def test_is_read_to_its_last_page(self, client, market: Market) -> None:
        pages = [await client.list_products(number) for number in (1, 2, 3, 4)]

        assert [len(page.products) for page in pages] == [20, 20, 20, 0]
        assert {page.total for page in pages} == {60}
        assert not any(page.rejected for page in pages)
        assert [p.id for page in pages for p in page.products] == market.product_ids()

    async def test_loses_only_the_malformed_products(self, client, market) -> None:
        negative, unpriced, sound = market.first_ids(3)
        market.break_product(negative, minPrice=-5)
        market.break_product(unpriced, without=["minPrice"])

        page = await client.list_products(1)

        assert [entry.id for entry in page.rejected] == [negative, unpriced]
        assert len(page.products) == 18
        assert page.products[0].id == sound

    async def test_finds_one_product_and_nothing_for_an_unknown_id(self, client, market) -> None:
        wanted = market.first_ids(1)[0]
        market.set_product(wanted, minPrice=12.5, qty=0)

        product = await client.find_product(wanted)

        assert product is not None
        assert (product.id, product.qty, product.min_price) == (wanted, 0, Decimal("12.5"))
        assert await client.find_product("99999999999999") is None

    @pytest.mark.parametrize("fault", _INSTANT)
    async def test_is_read_again_when_a_page_fails(self, client, market, fault) -> None:
        market.faults.next("products", fault, calls=2)

        page = await client.list_products(1)

        assert len(page.products) == 20
        assert market.ledger.count("products") == 3


class TestPurchase:
    async def test_ends_with_a_key_that_is_handed_out_once(self, client, market) -> None:
        market.settings.processing_seconds = 0
        order_id = await order_something(client)

        payment = await client.pay_order(order_id)
        details = await client.get_order(order_id)
        delivered = await client.fetch_key(order_id)
        with pytest.raises(SupplierRefused) as second_time:
            await client.fetch_key(order_id)

        assert payment.transaction_id
        assert (details.status, details.currency) == ("complete", "EUR")
        assert delivered.key.reveal()
        assert second_time.value.code == "ORD04"

    async def test_gets_no_key_before_it_is_paid(self, client) -> None:
        order_id = await order_something(client)

        with pytest.raises(SupplierUnavailable) as early:
            await client.fetch_key(order_id)

        assert early.value.code == "ORD05"

    async def test_is_refused_above_the_limit(self, client, market) -> None:
        wanted = market.first_ids(1)[0]
        market.set_product(wanted, minPrice=12.5, qty=5, availableToBuy=True)

        with pytest.raises(SupplierRefused) as refused:
            await client.place_order(wanted, max_price=Decimal("12.49"))

        assert refused.value.code == "BR02"

    async def test_is_refused_with_an_empty_wallet(self, client, market) -> None:
        order_id = await order_something(client)
        market.faults.next("pay", "ORD112")

        with pytest.raises(SupplierRefused) as refused:
            await client.pay_order(order_id)

        assert refused.value.code == "ORD112"

    @pytest.mark.parametrize("fault", sorted(set(_INSTANT) - _NOTHING_HAPPENED))
    async def test_is_neither_paid_twice_nor_taken_for_unpaid_when_the_answer_is_lost(
        self, client, market, fault
    ) -> None:
        order_id = await order_something(client)
        market.faults.next("pay", fault, after_effect=True)

        with pytest.raises(OutcomeUnknown):
            await client.pay_order(order_id)

        assert market.ledger.count("pay") == 1
        assert (await client.get_order(order_id)).status in {"pending", "complete"}

    @pytest.mark.parametrize("fault", sorted(set(_INSTANT) - _NOTHING_HAPPENED))
    async def test_fetches_a_key_once_even_when_it_is_lost(self, client, market, fault) -> None:
        market.settings.processing_seconds = 0
        order_id = await order_something(client)
        await client.pay_order(order_id)
        market.faults.next("key", fault, after_effect=True)

        with pytest.raises(OutcomeUnknown):
            await client.fetch_key(order_id)

        assert market.ledger.count("key") == 1


class TestDeadline:
    @pytest.mark.parametrize("fault", ["hang", "slow"])
    @pytest.mark.parametrize(
        ("has_effect", "family"), [(True, OutcomeUnknown), (False, SupplierUnavailable)]
    )
    async def test_ends_a_call_that_takes_too_long(
        self, exchange, market, fault, has_effect, family
    ) -> None:
        impatient = Call(endpoint="products", method="GET", timeout=0.2, has_effect=has_effect)
        market.faults.next("products", fault, seconds=5)

        with pytest.raises(family, match="the answer timed out"):
            await exchange.perform(impatient, "/products", read=bytes)


class TestConnection:
    async def test_that_is_refused_has_no_effect(self) -> None:
        connected = connect_g2a(
            base_url="http://127.0.0.1:1", credentials=SANDBOX, budget=None, retries=BRISK
        )

        async with connected as client:
            for deed in (client.pay_order, client.fetch_key):
                with pytest.raises(SupplierUnavailable, match="cannot be reached"):
                    await deed("80201019921771")

    async def test_reports_wrong_credentials(self, simulator_url) -> None:
        wrong = G2ACredentials(
            client_id="qdaiciDiyMaTjxMt", email="a@b.test", client_secret=Secret("s")
        )
        connected = connect_g2a(base_url=f"{simulator_url}/v1/", credentials=wrong, budget=None)

        async with connected as client:
            with pytest.raises(SupplierRefused, match="check client id") as refused:
                await client.list_products(1)

        assert refused.value.code == "AUTH02"


class TestSecrets:
    async def test_appear_in_no_log_line_of_any_library(self, client, market, caplog) -> None:
        market.settings.processing_seconds = 0
        with caplog.at_level(logging.DEBUG):
            order_id = await order_something(client)
            await client.pay_order(order_id)
            market.faults.next("details", "server_error", calls=2)
            await client.get_order(order_id)
            key = (await client.fetch_key(order_id)).key.reveal()
            market.faults.next("products", "reset", calls=3)
            with pytest.raises(SupplierError):
                await client.list_products(1)

        logged = caplog.text
        assert "httpcore2" in logged
        assert "httpx2" in logged
        secrets = [key, SANDBOX.client_id, SANDBOX.email, SANDBOX.client_secret.reveal()]
        assert [
            secret for secret in [*secrets, SANDBOX.api_key().reveal()] if secret in logged
        ] == []


class TestMetrics:
    async def test_count_each_call_with_its_outcome(self, client, market) -> None:
        fine, failed = calls_counted("products", "ok"), calls_counted("products", "unavailable")
        market.faults.next("products", "server_error", calls=2)

        await client.list_products(1)

        assert calls_counted("products", "ok") == fine + 1
        assert calls_counted("products", "unavailable") == failed + 2
