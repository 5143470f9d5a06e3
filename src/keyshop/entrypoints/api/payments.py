"""Paying money in, at /api/payment."""

from typing import Final

from litestar import MediaType, Response, Router, post

from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.headers import find_header
from keyshop.entrypoints.http.identity import get_signed_in
from keyshop.entrypoints.http.openapi import BEARER, documented_responses
from keyshop.entrypoints.http.requests import ApiRequest, TopUpBody, read_body, request_body
from keyshop.entrypoints.http.responses import MessageBody, data_response, message_response
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope
from keyshop.wallet.begin_top_up import TopUpRequest, begin_top_up
from keyshop.wallet.handle_notification import handle_notification
from keyshop.wallet.models import TopUp

_PROCESSED: Final = "Payment processed"


@post(
    "/balance-top-up",
    status_code=200,
    responses=documented_responses(Envelope[TopUp], 401, 404, 413, 429),
    opt=request_body(TopUpBody),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def top_up(request: ApiRequest) -> Response[bytes]:
    """Begin to pay money in; the customer then pays at `redirectUrl`."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    body = await read_body(request, TopUpBody)
    wanted = TopUpRequest(
        user_id=signed_in.user_id,
        amount=body.amount,
        currency=body.currency,
        method=body.payment_method,
    )
    return data_response(await begin_top_up(shop.db, shop.payments.provider, wanted, now=now))


@post(
    ["/webhook", "/terminal-webhook"],
    status_code=200,
    responses=documented_responses(MessageBody, 401, 404, 413),
    media_type=MediaType.JSON,
)
async def notify(request: ApiRequest) -> Response[bytes]:
    """Take a payment provider's notification, which `x-payment-signature` signs."""
    shop = shop_of(request.scope)
    signature = find_header(request.scope, b"x-payment-signature")
    await handle_notification(
        shop.db,
        shop.payments.secrets,
        await request.body(),
        None if signature is None else signature.decode("latin-1"),
        now=utc_now(),
    )
    return message_response(_PROCESSED)


payment_router = Router(path="/api/payment", tags=["Payments"], route_handlers=[top_up, notify])
