"""
The pages behind mailed links, and the page that requests such a link, in plain HTML.

Opening a link only shows a form: mail scanners open every link, and would use up a link that works
once.
"""

from collections.abc import Awaitable
from typing import Annotated, Final
from urllib.parse import parse_qs

from litestar import MediaType, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.reset_password import reset_password
from keyshop.accounts.verify_email import verify_by_token
from keyshop.entrypoints.api.pages.render import page_response
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.errors import error_headers, error_status
from keyshop.entrypoints.http.identity import get_client_info
from keyshop.entrypoints.http.openapi import documented_errors
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import ShopError

_MAX_TOKEN: Final = 500  # characters
_MAX_FIELDS: Final = 10

_VERIFY_EMAIL: Final = "verify_email.html"
_RESET_PASSWORD: Final = "reset_password.html"  # noqa: S105
_FORGOT_PASSWORD: Final = "forgot_password.html"  # noqa: S105

Token = Annotated[
    str, QueryParameter(max_length=_MAX_TOKEN, description="The token of the mailed link.")
]

_RESPONSES: Final = {
    200: ResponseSpec(str, media_type=MediaType.HTML, description="An HTML page."),
    **documented_errors(400, 500),
}


@get("/verify-email", responses=_RESPONSES, media_type=MediaType.HTML)
async def verify_email_page(token: Token = "") -> Response[str]:
    """Show the page that confirms an email address."""
    return page_response(_VERIFY_EMAIL, token=token)


@get("/reset-password", responses=_RESPONSES, media_type=MediaType.HTML)
async def reset_password_page(token: Token = "") -> Response[str]:
    """Show the page that sets a new password."""
    return page_response(_RESET_PASSWORD, token=token)


@get("/forgot-password", responses=_RESPONSES, media_type=MediaType.HTML)
async def forgot_password_page() -> Response[str]:
    """Show the page that requests a password reset link."""
    return page_response(_FORGOT_PASSWORD)


@post("/pages/verify-email", status_code=200, include_in_schema=False, media_type=MediaType.HTML)
async def submit_verify_email(request: ApiRequest) -> Response[str]:
    shop = shop_of(request.scope)
    token = (await _read_form(request)).get("token", "")
    client = get_client_info(request, shop)
    work = verify_by_token(shop.db, shop.accounts, client, token=token, now=utc_now())
    return await _find_refusal(work, _VERIFY_EMAIL, token=token) or page_response(
        "email_verified.html"
    )


@post("/pages/reset-password", status_code=200, include_in_schema=False, media_type=MediaType.HTML)
async def submit_reset_password(request: ApiRequest) -> Response[str]:
    shop = shop_of(request.scope)
    form = await _read_form(request)
    token = form.get("token", "")
    work = reset_password(
        shop.db,
        shop.accounts,
        token=token,
        new_password=form.get("newPassword", ""),
        client_info=get_client_info(request, shop),
        now=utc_now(),
    )
    return await _find_refusal(work, _RESET_PASSWORD, token=token) or page_response(
        "password_reset.html"
    )


@post("/pages/forgot-password", status_code=200, include_in_schema=False, media_type=MediaType.HTML)
async def submit_forgot_password(request: ApiRequest) -> Response[str]:
    shop = shop_of(request.scope)
    email = (await _read_form(request)).get("email", "")
    client = get_client_info(request, shop)
    work = request_reset(shop.db, email, client, now=utc_now())
    return await _find_refusal(work, _FORGOT_PASSWORD) or page_response("reset_link_sent.html")


async def _find_refusal(
    work: Awaitable[object], template: str, **values: str
) -> Response[str] | None:
    """Do the work, and return the page with the error message if the shop refuses it."""
    try:
        await work
    except ShopError as error:
        page = page_response(template, error=str(error), status=error_status(error), **values)
        page.headers.update(error_headers(error) or {})
        return page
    return None


async def _read_form(request: ApiRequest) -> dict[str, str]:
    """Return the fields of a form as browsers send it; a malformed body has no fields."""
    body = await request.body()
    try:
        fields = parse_qs(body.decode(), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return {}
    # PostgreSQL's text type cannot store NUL.
    return {name: values[0] for name, values in fields.items() if "\0" not in values[0]}


# They belong to the router of /api/auth: Litestar accepts one router for each path.
ACCOUNT_PAGES: Final = (
    verify_email_page,
    reset_password_page,
    forgot_password_page,
    submit_verify_email,
    submit_reset_password,
    submit_forgot_password,
)
