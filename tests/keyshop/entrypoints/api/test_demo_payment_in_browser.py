"""The demo payment page in a real browser, whose rules for forms and scripts are the strict ones."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from litestar.types import ASGIApp

from keyshop.gateways.payments.demo import DemoProvider
from keyshop.wallet.settings import PaymentSettings
from tests.factories.api_app import make_app
from tests.factories.browsers import open_browser
from tests.factories.cached_shop import until
from tests.factories.chromium import CHROMIUM, open_page
from tests.factories.payments import SECRET

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium.")


@asynccontextmanager
async def serve(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    running = asyncio.create_task(server.serve(sockets=[listening]))

    async def has_started() -> bool:
        return server.started

    await until(has_started)
    try:
        yield
    finally:
        server.should_exit = True
        await running


class TestDemoPaymentPage:
    async def test_pays_in_and_leads_back_to_the_storefront(self, stocked, tmp_path) -> None:
        (tmp_path / "index.html").write_text("<h1>The storefront</h1>")
        listening = socket.create_server(("127.0.0.1", 0))
        shop_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        payments = PaymentSettings(provider=DemoProvider(shop_url), secrets=(SECRET,))
        app = make_app(stocked, payments=payments, storefront_dir=tmp_path)

        async with serve(app, listening), open_browser(app) as alice:
            await alice.register()
            wanted = {"amount": 25.5, "currency": "EUR", "paymentMethod": "apple"}
            top_up = (await alice.do("POST", "/api/payment/balance-top-up", wanted))["data"]

            def pay() -> str:
                with open_page(tmp_path / "profile") as page:
                    page.open(top_up["redirectUrl"])
                    page.click("Pay 25.50 EUR")
                    page.wait_for("25.50 EUR are now in your balance.")
                    page.click("Back to the shop")
                    page.wait_for("The storefront")
                    return page.path()

            assert await asyncio.to_thread(pay) == "/profile/balance"
            assert (await alice.get("/api/user/balance"))["balance"] == 25.5
