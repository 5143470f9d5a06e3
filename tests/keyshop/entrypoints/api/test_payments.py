"""Paying money in over HTTP."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx2
import msgspec
import pytest
import pytest_asyncio

from keyshop.wallet.settings import PaymentSettings
from keyshop.wallet.signature import sign
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, open_browser
from tests.factories.payments import SECRET
from tests.keyshop.entrypoints.api.test_account_pages import Form

TOP_UP = "/api/payment/balance-top-up"
WANTED = {"amount": 25.5, "currency": "EUR", "paymentMethod": "card", "promoCode": "FREE"}
WEBHOOKS = ["/api/payment/webhook", "/api/payment/terminal-webhook"]


async def begin(person: Person, **fields: Any) -> dict[str, Any]:
    top_up: dict[str, Any] = (await person.do("POST", TOP_UP, WANTED | fields))["data"]
    return top_up


async def balance_of(person: Person) -> Any:
    return (await person.get("/api/user/balance"))["balance"]


async def notify(
    sender: Person, top_up: dict[str, Any], *, path: str = WEBHOOKS[0], **fields: Any
) -> httpx2.Response:
    body = msgspec.json.encode(
        {
            "intentId": top_up["id"],
            "transactionId": f"pay-{top_up['id']}",
            "email": "alice@example.com",
            "amount": top_up["amount"],
            "currency": "EUR",
            "status": "completed",
        }
        | fields
    )
    headers = {"x-payment-signature": sign(SECRET, body)}
    return await sender.request("POST", path, content=body, headers=headers)


class TestTopUp:
    async def test_has_the_fields_that_the_storefront_reads(self, alice: Person):
        top_up = await begin(alice)

        assert top_up == {
            "id": top_up["id"],
            "amount": 25.5,
            "currency": "EUR",
            "paymentMethod": "card",
            "redirectUrl": f"http://shop.test/payment/demo/{top_up['id']}",
            "status": "pending",
        }
        assert await balance_of(alice) == 0

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"amount": "25"}, "Amount must be between 0.01 and 1000000 EUR"),
            ({"amount": 25.005}, "at most two decimals"),
            ({"amount": None}, "Amount must be"),
            ({"currency": "PLN"}, "Only EUR is accepted."),
            ({"paymentMethod": "cash"}, "trustly, card, klarna or apple"),
        ],
        ids=str,
    )
    async def test_is_refused_with_what_is_wrong(self, alice: Person, fields, sentence):
        answer = await alice.request("POST", TOP_UP, json=WANTED | fields)

        assert answer.status_code == 400
        assert sentence in message_of(answer)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"amount":1e-99999999999999999999}'])
    async def test_is_refused_without_a_body_of_its_form(self, alice: Person, body: bytes):
        assert (await alice.request("POST", TOP_UP, content=body)).status_code == 400

    async def test_needs_a_token(self, guest: Person):
        assert (await guest.request("POST", TOP_UP, json=WANTED)).status_code == 401

    async def test_is_never_kept_by_browsers_or_proxies(self, alice: Person):
        answer = await alice.request("POST", TOP_UP, json=WANTED)

        assert answer.headers["cache-control"] == "no-store"


class TestShopWithoutProvider:
    @pytest_asyncio.fixture
    async def customer(self, stocked) -> AsyncIterator[Person]:
        async with open_browser(make_app(stocked, payments=PaymentSettings())) as person:
            await person.register()
            yield person

    async def test_takes_no_money(self, customer: Person):
        answer = await customer.request("POST", TOP_UP, json=WANTED)

        assert answer.status_code == 503
        assert message_of(answer) == "Top-ups are not available at the moment."

    async def test_has_no_demo_page_and_believes_no_notification(self, customer: Person):
        assert (await customer.request("GET", "/payment/demo/x")).status_code == 404
        assert (await notify(customer, {"id": "x", "amount": 1})).status_code == 401


class TestWebhook:
    @pytest.mark.parametrize("path", WEBHOOKS)
    async def test_credits_the_top_up_once(self, alice: Person, guest: Person, path: str):
        top_up = await begin(alice)

        answers = [await notify(guest, top_up, path=path) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == {"success": True, "message": "Payment processed"}
        assert await balance_of(alice) == 25.5
        (row,) = await alice.get("/api/user/transactions")
        assert (row["type"], row["amount"], row["transactionHash"]) == (
            "TOP_UP",
            25.5,
            f"pay-{top_up['id']}",
        )

    async def test_refuses_what_is_not_signed_and_what_is_unknown(
        self, alice: Person, guest: Person
    ):
        top_up = await begin(alice)

        unsigned = await guest.request("POST", WEBHOOKS[0], json={"intentId": top_up["id"]})
        nameless = await notify(guest, top_up, intentId=None)
        unknown = await notify(guest, top_up, intentId="unknown")

        assert [each.status_code for each in (unsigned, nameless, unknown)] == [401, 400, 404]
        assert message_of(nameless) == "intentId is required"
        assert await balance_of(alice) == 0

    async def test_creates_no_account_for_an_unknown_address(self, alice: Person, guest: Person):
        await notify(guest, await begin(alice), email="unknown@example.com", name="Eve")

        assert await balance_of(alice) == 25.5
        with pytest.raises(AssertionError):
            await guest.sign_in("unknown@example.com")


class TestDemoPage:
    async def test_pays_at_the_press_of_a_button(self, alice: Person, guest: Person):
        top_up = await begin(alice)
        page = await guest.client.get(top_up["redirectUrl"])

        done = await guest.client.post(f"{top_up['redirectUrl']}/pay")

        assert "Pay 25.50 EUR" in page.text
        assert (page.status_code, done.status_code) == (200, 200)
        assert "25.50 EUR are now in your balance" in done.text
        assert await balance_of(alice) == Decimal("25.5")

    async def test_pays_once_however_often_it_is_pressed(self, alice: Person, guest: Person):
        top_up = await begin(alice)
        await guest.client.post(f"{top_up['redirectUrl']}/pay")

        again = [
            await guest.client.post(f"{top_up['redirectUrl']}/{verb}") for verb in ("pay", "cancel")
        ]

        assert [page.status_code for page in again] == [404, 404]
        assert (await guest.client.get(top_up["redirectUrl"])).status_code == 404
        assert await balance_of(alice) == 25.5

    async def test_can_be_cancelled(self, alice: Person, guest: Person):
        top_up = await begin(alice)

        done = await guest.client.post(f"{top_up['redirectUrl']}/cancel")

        assert "Payment cancelled" in done.text
        assert await balance_of(alice) == 0

    async def test_leads_back_to_the_storefront(self, stocked, tmp_path):
        (tmp_path / "index.html").write_text("the storefront")
        async with open_browser(make_app(stocked, storefront_dir=tmp_path)) as customer:
            await customer.register()
            top_up = await begin(customer)

            done = await customer.client.post(f"{top_up['redirectUrl']}/pay")

            assert 'href="/profile/balance"' in done.text
            assert (await customer.client.get("/profile/balance")).text == "the storefront"

    async def test_sends_nothing_elsewhere_and_is_kept_nowhere(self, alice: Person, guest: Person):
        page = await guest.client.get((await begin(alice))["redirectUrl"])

        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert Form(page.text).action.startswith("/payment/demo/")
