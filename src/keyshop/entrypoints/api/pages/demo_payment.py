"""
The page of the demo payment provider, in plain HTML; no money changes hands.

Its buttons send the same signed notification that a real provider would send.
"""

from typing import Final

import msgspec
from litestar import MediaType, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from keyshop.entrypoints.api.pages.render import page_response
from keyshop.entrypoints.http.dependencies import ApiShop, shop_of
from keyshop.entrypoints.http.errors import error_headers, error_status
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import ShopError
from keyshop.wallet.handle_notification import handle_notification
from keyshop.wallet.models import Intent, Outcome
from keyshop.wallet.show_intent import get_payable
from keyshop.wallet.signature import sign

DEMO: Final = "demo"
PATH: Final = "/payment/demo/"

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DONE: Final = {
    Outcome.CREDITED: "Payment completed",
    Outcome.REPEATED: "Payment completed",
    Outcome.FAILED: "Payment cancelled",
}


def demo_payment_handlers(return_url: str | None) -> list[HTTPRouteHandler]:
    """
    Return the handlers of the page.

    Once it is paid or cancelled, the page leads to `return_url`; None: there is no such page.
    """

    @get(PATH + "{intent_id:str}", include_in_schema=False, media_type=MediaType.HTML)
    async def payment_page(request: ApiRequest, intent_id: FromPath[str]) -> Response[str]:
        try:
            intent = await get_payable(
                shop_of(request.scope).db, intent_id, provider=DEMO, now=utc_now()
            )
        except ShopError as error:
            return _refused(error)
        return page_response("demo_payment.html", intent=intent)

    @post(
        PATH + "{intent_id:str}/{verb:str}",
        status_code=200,
        include_in_schema=False,
        media_type=MediaType.HTML,
    )
    async def submit_payment(
        request: ApiRequest, intent_id: FromPath[str], verb: FromPath[str]
    ) -> Response[str]:
        shop, now = shop_of(request.scope), utc_now()
        try:
            intent = await get_payable(shop.db, intent_id, provider=DEMO, now=now)
            outcome = await _notify(shop, intent, "completed" if verb == "pay" else "cancelled")
        except ShopError as error:
            return _refused(error)
        return page_response(
            "demo_payment_done.html",
            heading=_DONE.get(outcome, "The shop looks into this payment"),
            intent=intent,
            is_credited=outcome in {Outcome.CREDITED, Outcome.REPEATED},
            return_url=return_url,
        )

    return [payment_page, submit_payment]


async def _notify(shop: ApiShop, intent: Intent, status: str) -> Outcome:
    now = utc_now()
    body = _ENCODER.encode(
        {
            "intentId": intent.id,
            # The same for a second click.
            "transactionId": f"demo-{intent.id}",
            "amount": intent.amount,
            "currency": intent.currency,
            "method": intent.method,
            "status": status,
            "timestamp": now.isoformat(),
        }
    )
    secrets = shop.payments.secrets
    return await handle_notification(shop.db, secrets, body, sign(secrets[0], body), now=now)


def _refused(error: ShopError) -> Response[str]:
    page = page_response("demo_payment_refused.html", error=str(error), status=error_status(error))
    page.headers.update(error_headers(error) or {})
    return page
