"""Forgotten passwords at /api/auth."""

from typing import Final

from litestar import MediaType, Response, post

from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.reset_password import reset_password as set_forgotten_password
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_client_info
from keyshop.entrypoints.http.openapi import documented_responses
from keyshop.entrypoints.http.requests import (
    ApiRequest,
    ForgotPasswordBody,
    ResetPasswordBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import MessageBody, message_response
from keyshop.kit.clock import utc_now

_EMAIL_REQUIRED: Final = "Email is required"
_TOKEN_AND_PASSWORD_REQUIRED: Final = "Token and new password are required"  # noqa: S105
_LINK_SENT: Final = (
    "If an account with this email exists, a password reset link has been sent to it."
)
_PASSWORD_RESET: Final = "Your password has been reset. Sign in with the new one."  # noqa: S105


@post(
    "/forgot-password",
    status_code=200,
    responses=documented_responses(MessageBody, 413, 429),
    opt=request_body(ForgotPasswordBody),
    media_type=MediaType.JSON,
)
async def forgot_password(request: ApiRequest) -> Response[bytes]:
    """Request a password reset link by email; the response does not reveal whether the account exists."""
    shop = shop_of(request.scope)
    body = await read_body(request, ForgotPasswordBody, message=_EMAIL_REQUIRED)
    client = get_client_info(request, shop)
    await request_reset(shop.db, body.email, client, now=utc_now())
    return message_response(_LINK_SENT)


@post(
    "/reset-password",
    status_code=200,
    responses=documented_responses(MessageBody, 413, 429),
    opt=request_body(ResetPasswordBody),
    media_type=MediaType.JSON,
)
async def reset_password(request: ApiRequest) -> Response[bytes]:
    """Set a new password with the token of the mailed link and sign out on every device."""
    shop = shop_of(request.scope)
    body = await read_body(request, ResetPasswordBody, message=_TOKEN_AND_PASSWORD_REQUIRED)
    await set_forgotten_password(
        shop.db,
        shop.accounts,
        token=body.token,
        new_password=body.new_password,
        client_info=get_client_info(request, shop),
        now=utc_now(),
    )
    return message_response(_PASSWORD_RESET)
