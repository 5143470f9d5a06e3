"""Moving what a guest has gathered into the account of whoever is signed in."""

from typing import Final, Literal

from litestar import MediaType, Response
from litestar.datastructures import Cookie
from msgspec import Struct, json

from keyshop.baskets.migrate import migrate_part
from keyshop.baskets.models import Migration, MigrationReport, Part
from keyshop.baskets.owners import successor_id
from keyshop.entrypoints.http.cookies import find_session, forgotten_session, session_cookie
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.errors import ApiRequest
from keyshop.entrypoints.http.identity import find_signed_in
from keyshop.entrypoints.http.respond import is_secure
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import Invalid

_NOTHING: Final = MigrationReport()


class MigrationData(Struct, frozen=True):
    """What became of the guest's lines."""

    migration: MigrationReport


class Migrated(Struct, frozen=True, kw_only=True):
    """What a migration answers."""

    success: Literal[True] = True
    message: str
    data: MigrationData


class NoSession(Invalid):
    """There is nothing to migrate from: the visitor has no cookie."""

    def __init__(self) -> None:
        super().__init__("User ID and session ID required")


async def migrate_here(
    request: ApiRequest, shop: ApiShop, part: Part, message: str
) -> Response[bytes]:
    """
    Move that part of the basket of the request's cookie into the account of the request's token.

    A cookie that names no live session, as after another tab's migration, leaves nothing to do.

    Raises:
        TokenRefused: nobody is signed in.
        NoSession: there is no cookie.
    """
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    session_id = find_session(request.scope)
    if session_id is None:
        raise NoSession
    migration = (
        await migrate_part(
            shop.db,
            part,
            user_id=known.user_id,
            session_id=session_id,
            limits=shop.accounts.basket_limits,
            now=now,
            successor=successor_id(
                shop.accounts.proof_keys.current, session_id=session_id, user_id=known.user_id
            ),
        )
        if session_id
        else None
    )
    return _migrated(message, migration, basket_cookies(request, shop, migration))


def basket_cookies(request: ApiRequest, shop: ApiShop, migration: Migration | None) -> list[Cookie]:
    """
    Return what becomes of the guest's cookie once the basket was moved.

    When nothing was moved, perhaps because it failed, the cookie stays: the lines behind it would
    be lost with it.
    """
    if migration is None:
        return []
    secure = is_secure(request, shop)
    if migration.session_id is None:
        return [forgotten_session(secure=secure)]
    return [session_cookie(migration.session_id, secure=secure)]


def _migrated(message: str, migration: Migration | None, cookies: list[Cookie]) -> Response[bytes]:
    report = migration.report if migration else _NOTHING
    body = json.encode(Migrated(message=message, data=MigrationData(report)))
    return Response(body, media_type=MediaType.JSON, cookies=cookies)
