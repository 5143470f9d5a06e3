"""Moves a guest's basket into the signed-in user's account."""

from typing import Final, Literal

from litestar import MediaType, Response
from litestar.datastructures import Cookie
from msgspec import Struct, json

from keyshop.baskets.migrate import migrate_part
from keyshop.baskets.models import Migration, MigrationReport, Part
from keyshop.entrypoints.http.cookies import (
    expired_session_cookie,
    find_session,
    is_secure,
    session_cookie,
)
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.identity import get_signed_in
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import Invalid

_NOTHING_MOVED: Final = MigrationReport()


class MigrationData(Struct, frozen=True):
    """What happened to each of the guest's lines."""

    migration: MigrationReport


class MigrationBody(Struct, frozen=True, kw_only=True):
    """The body of a migration."""

    success: Literal[True] = True
    message: str
    data: MigrationData


class SessionRequired(Invalid):
    """There is no basket to move: the client sent no cookie."""

    def __init__(self) -> None:
        super().__init__("User ID and session ID required")


async def migrate_here(
    request: ApiRequest, shop: ApiShop, part: Part, message: str
) -> Response[bytes]:
    """
    Move this part of the cookie's basket into the account of the token.

    If the cookie names no live session, for example after a migration in another tab, nothing is
    moved.

    Raises:
        TokenRefused: there is no token, or it is not valid.
        SessionRequired: there is no cookie.
    """
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    session_id = await find_session(request, shop, now=now)
    if session_id is None:
        raise SessionRequired
    migration = (
        await migrate_part(
            shop.db,
            shop.baskets,
            part,
            user_id=signed_in.user_id,
            session_id=session_id,
            now=now,
        )
        if session_id
        else None
    )
    return _migration_response(message, migration, basket_cookies(request, shop, migration))


def basket_cookies(request: ApiRequest, shop: ApiShop, migration: Migration | None) -> list[Cookie]:
    """
    Return the guest's cookie after the migration.

    If nothing was moved, perhaps because the migration failed, the cookie stays: without it, the
    guest's lines would be lost.
    """
    if migration is None:
        return []
    secure = is_secure(request, shop)
    if migration.remaining_session_id is None:
        return [expired_session_cookie(secure=secure)]
    return [session_cookie(migration.remaining_session_id, secure=secure)]


def _migration_response(
    message: str, migration: Migration | None, cookies: list[Cookie]
) -> Response[bytes]:
    report = migration.report if migration else _NOTHING_MOVED
    body = json.encode(MigrationBody(message=message, data=MigrationData(report)))
    return Response(body, media_type=MediaType.JSON, cookies=cookies)
