"""
The pages behind mailed links, in plain HTML, and the one that asks for such a link.

Opening a link only shows a form: programs that look at mails before people do open every link, and
a link that works once would be used up by them.
"""

from collections.abc import Awaitable, Callable
from html import escape
from typing import Annotated, Final
from urllib.parse import parse_qs

from litestar import MediaType, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.reset_password import reset_password
from keyshop.accounts.verify_email import verify_by_token
from keyshop.entrypoints.api.dependencies import ApiShop, CurrentShop
from keyshop.entrypoints.api.errors import ApiRequest, headers_of, refusals, status_of
from keyshop.entrypoints.api.identity import find_caller
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import ShopError

_MAX_TOKEN: Final = 500  # characters

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 16px/1.55 system-ui, sans-serif; max-width: 24rem; margin: 4rem auto;
         padding: 0 1.25rem; }}
  h1 {{ font-size: 1.4rem; }}
  label {{ display: block; margin: 1rem 0 .3rem; }}
  input, button {{ font: inherit; padding: .5rem .75rem; box-sizing: border-box; width: 100%; }}
  button {{ margin-top: 1.2rem; cursor: pointer; }}
</style>
</head>
<body>
<h1>{title}</h1>
{content}
</body>
</html>
"""
_FORM: Final = """<form method="post" action="{action}">
{fields}<button type="submit">{button}</button>
</form>"""
_HIDDEN: Final = '<input type="hidden" name="token" value="{token}">\n'
_ADDRESS: Final = """<label for="email">Your e-mail address</label>
<input id="email" name="email" type="email" maxlength="254" required autocomplete="email">
"""
_FIELDS: Final = """<label for="password">New password</label>
<input id="password" name="newPassword" type="password" minlength="8" maxlength="72" required
  autocomplete="new-password">
<p>At least 8 characters, with a lower-case letter, an upper-case letter and a digit.</p>
"""
_SENTENCE: Final = "<p>{sentence}</p>"
_ANOTHER_LINK: Final = '<p><a href="/api/auth/forgot-password">Ask for another link</a></p>'
_WAY_ON: Final = '<p><a href="/">To the shop</a></p>'

_VERIFY: Final = "/api/auth/pages/verify-email"
_RESET: Final = "/api/auth/pages/reset-password"
_FORGOT: Final = "/api/auth/pages/forgot-password"

Token = Annotated[str, QueryParameter(max_length=_MAX_TOKEN)]
Form = dict[str, str]


_SHOWN: Final = {
    200: ResponseSpec(str, media_type=MediaType.HTML, description="The page."),
    **refusals(400, 500),
}


@get("/verify-email", responses=_SHOWN, media_type=MediaType.HTML)
async def verification_page(token: Token = "") -> Response[str]:
    """Ask whether the address is to be confirmed."""
    form = _form(_VERIFY, _token(token), button="Confirm my address")
    return _page("Confirm your e-mail address", form)


@get("/reset-password", responses=_SHOWN, media_type=MediaType.HTML)
async def reset_page(token: Token = "") -> Response[str]:
    """Ask for the new password."""
    return _page("Choose a new password", _reset_form(token))


@get("/forgot-password", responses=_SHOWN, media_type=MediaType.HTML)
async def forgotten_page() -> Response[str]:
    """Ask for the address to which a link is mailed."""
    return _page("Forgot your password?", _FORGOTTEN_FORM)


@post("/pages/verify-email", status_code=200, include_in_schema=False, media_type=MediaType.HTML)
async def verify_by_page(shop: CurrentShop, request: ApiRequest) -> Response[str]:
    """Confirm the address of the link's account."""
    form = await _read_form(request)

    async def verify() -> None:
        await verify_by_token(
            shop.db,
            shop.accounts,
            find_caller(request, shop),
            token=form.get("token", ""),
            now=utc_now(),
        )

    return await _answer(verify, "Your e-mail address is confirmed", _WAY_ON)


@post("/pages/reset-password", status_code=200, include_in_schema=False, media_type=MediaType.HTML)
async def reset_by_page(shop: CurrentShop, request: ApiRequest) -> Response[str]:
    """Set the password of the link's account."""
    form = await _read_form(request)
    token = form.get("token", "")
    again = _reset_form(token) + _ANOTHER_LINK

    async def reset() -> None:
        await _reset(shop, request, token, form.get("newPassword", ""))

    done = "<p>Please sign in with it; all other devices are signed out.</p>"
    return await _answer(reset, "Your password is changed", done + _WAY_ON, again=again)


@post("/pages/forgot-password", status_code=200, include_in_schema=False, media_type=MediaType.HTML)
async def ask_by_page(shop: CurrentShop, request: ApiRequest) -> Response[str]:
    """Mail a link to the address, if it has an account; nothing shows whether it has."""
    form = await _read_form(request)
    caller = find_caller(request, shop)

    async def ask() -> None:
        await request_reset(shop.db, form.get("email", ""), caller, now=utc_now())

    done = "<p>If this address has an account, a link that sets a new password is on its way.</p>"
    return await _answer(
        ask, "Please look into your mailbox", done + _WAY_ON, again=_FORGOTTEN_FORM
    )


async def _reset(shop: ApiShop, request: ApiRequest, token: str, new_password: str) -> None:
    await reset_password(
        shop.db,
        shop.accounts,
        token=token,
        new_password=new_password,
        client_info=find_caller(request, shop),
        now=utc_now(),
    )


async def _answer(
    work: Callable[[], Awaitable[None]], title: str, content: str, *, again: str = ""
) -> Response[str]:
    """Do it, and show that it is done or, for people to read, why not."""
    try:
        await work()
    except ShopError as error:
        sentence = _SENTENCE.format(sentence=escape(str(error)))
        refused = _page("This did not work", sentence + again, status=status_of(error))
        refused.headers.update(headers_of(error) or {})
        return refused
    return _page(title, content)


async def _read_form(request: ApiRequest) -> Form:
    """Return the fields of a form as browsers send it; what is none has none."""
    body = await request.body()
    try:
        found = parse_qs(body.decode(), errors="strict", max_num_fields=10)
    except ValueError:
        return {}
    # PostgreSQL's texts cannot hold NUL.
    return {name: values[0] for name, values in found.items() if "\0" not in values[0]}


def _form(action: str, fields: str, *, button: str) -> str:
    return _FORM.format(action=action, fields=fields, button=button)


def _reset_form(token: str) -> str:
    return _form(_RESET, _token(token) + _FIELDS, button="Set the password")


def _token(token: str) -> str:
    return _HIDDEN.format(token=escape(token))


_FORGOTTEN_FORM: Final = _form(_FORGOT, _ADDRESS, button="Mail me a link")


def _page(title: str, content: str, *, status: int = 200) -> Response[str]:
    return Response(
        _PAGE.format(title=escape(title), content=content),
        status_code=status,
        media_type=MediaType.HTML,
        headers={"Content-Security-Policy": _POLICY},
    )


# Of the router of /api/auth: the framework takes one for each address.
ACCOUNT_PAGES: Final = (
    verification_page,
    reset_page,
    forgotten_page,
    verify_by_page,
    reset_by_page,
    ask_by_page,
)
