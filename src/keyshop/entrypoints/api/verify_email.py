"""Verification of email addresses at /api/auth."""

from typing import Final

from litestar import MediaType, Response, post

from keyshop.accounts.send_verification import send_verification
from keyshop.accounts.verify_email import verify_by_code, verify_by_token
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_client_info, get_signed_in
from keyshop.entrypoints.http.openapi import BEARER, BEARER_OR_GUEST, documented_responses
from keyshop.entrypoints.http.requests import (
    ApiRequest,
    InvalidBody,
    VerifyEmailBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import MessageBody, message_response
from keyshop.kit.clock import utc_now

_CODE_REQUIRED: Final = "Verification code is required"
_VERIFIED: Final = "Email verified successfully"


@post(
    "/send-verification-code",
    status_code=200,
    responses=documented_responses(MessageBody, 401, 404, 409, 429),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def send_verification_code(request: ApiRequest) -> Response[bytes]:
    """Send a verification code to the signed-in user's email address."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    client = get_client_info(request, shop)
    await send_verification(shop.db, user_id=signed_in.user_id, client_info=client, now=now)
    return message_response("Verification code sent")


@post(
    "/verify-email",
    status_code=200,
    responses=documented_responses(MessageBody, 401, 404, 409, 413, 429),
    opt=request_body(VerifyEmailBody),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def verify_email(request: ApiRequest) -> Response[bytes]:
    """Verify an email address with the mailed code, if signed in, or the token of the mailed link."""
    shop = shop_of(request.scope)
    now = utc_now()
    body = await read_body(request, VerifyEmailBody, message=_CODE_REQUIRED)
    client = get_client_info(request, shop)
    if body.token:
        await verify_by_token(shop.db, shop.accounts, client, token=body.token, now=now)
        return message_response(_VERIFIED)
    signed_in = await get_signed_in(request, shop, now=now)
    if not body.code:
        raise InvalidBody(_CODE_REQUIRED)
    await verify_by_code(
        shop.db, shop.accounts, client, user_id=signed_in.user_id, code=body.code, now=now
    )
    return message_response(_VERIFIED)
