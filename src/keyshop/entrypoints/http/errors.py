"""The one table from errors to HTTP status codes, and the handlers that apply it."""

import math
from typing import Final

import asyncpg
import structlog
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap, Scope

from keyshop.entrypoints.http.client_gone import CLIENT_GONE, is_client_gone
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.entrypoints.http.responses import error_response
from keyshop.kit.database.errors import DatabaseBusy
from keyshop.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Mismatch,
    NotFound,
    ShopError,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from keyshop.kit.ids import new_id

STATUS_BY_ERROR: Final[dict[type[ShopError], int]] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Mismatch: 422,
    TooMany: 429,
    Unavailable: 503,
}

_DEFAULT_RETRY_AFTER: Final = 5  # seconds

_INVALID_REQUEST: Final = "Invalid request."
_MESSAGES: Final = {
    401: "Authentication required.",
    403: "Not permitted.",
    413: "The request body is larger than 100 kB.",
    415: "The request body must be JSON.",
}

_CLIENT_GONE_MESSAGE: Final = "The request's body did not arrive."

_log = structlog.get_logger()


def error_status(error: ShopError) -> int:
    """Return the status code of the error's kind."""
    return next(status for kind, status in STATUS_BY_ERROR.items() if isinstance(error, kind))


def error_headers(error: ShopError) -> dict[str, str] | None:
    """Return the headers that go with the error, if any."""
    if isinstance(error, TooMany):
        return {"Retry-After": str(math.ceil(error.retry_after))}
    if isinstance(error, Unavailable) and error.may_be_repeated:
        return {"Retry-After": str(_DEFAULT_RETRY_AFTER)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return None


def handle_shop_error(_: ApiRequest, error: ShopError) -> Response[bytes]:
    return error_response(error_status(error), str(error), error_headers(error))


def handle_http_exception(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    """Answer an error of the framework without its own text, which quotes decoders."""
    status = error.status_code
    if status == 404:
        return error_response(404, f"Route {_request_target(request.scope)} not found")
    if status == 405:
        message = f"Method {request.method} is not allowed here."
        return error_response(405, message, {"Allow": _allowed_methods(error)})
    if isinstance(error, ValidationException):
        return error_response(400, _invalid_parameters_message(error))
    if status >= 500:
        return handle_unexpected_error(request, error)
    return error_response(status, _MESSAGES.get(status, _INVALID_REQUEST))


def _allowed_methods(error: HTTPException) -> str:
    """Return the methods of the route, and those that the edge answers for it."""
    methods = set((error.headers or {}).get("allow", "").split(", ")) - {""}
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def handle_undecodable_body(
    request: ApiRequest, error: UnicodeDecodeError | RecursionError
) -> Response[bytes]:
    """Answer a body that the decoder cannot read; without a body the fault is ours."""
    if request.method in {"POST", "PUT", "PATCH", "DELETE"}:
        return error_response(400, _INVALID_REQUEST)
    return handle_unexpected_error(request, error)


def handle_collision(
    request: ApiRequest, _: asyncpg.SerializationError | asyncpg.DeadlockDetectedError
) -> Response[bytes]:
    """Answer a transaction that collided with another, or a read that a standby cancelled."""
    return handle_shop_error(request, DatabaseBusy())


def handle_unexpected_error(request: ApiRequest, error: Exception) -> Response[bytes]:
    """Log the error, and answer only with the id under which it is logged."""
    if is_client_gone(request.scope):
        # Whatever failed, failed for want of the body, and the response has no reader.
        return error_response(CLIENT_GONE, _CLIENT_GONE_MESSAGE)
    error_id = new_id()
    _log.error("request.failed", error_id=error_id, exc_info=error)
    return error_response(
        500,
        "Something went wrong on our side. If it happens again,"
        f" contact the shop with this error id: {error_id}",
    )


def _invalid_parameters_message(error: ValidationException) -> str:
    details = error.extra if isinstance(error.extra, list) else []
    names = sorted({_to_camel_case(str(detail["key"])) for detail in details if "key" in detail})
    if not names:
        return _INVALID_REQUEST
    return f"Invalid or missing parameters: {', '.join(names)}."


def _to_camel_case(name: str) -> str:
    """Return the parameter's name as clients send it: `pageSize` for `page_size`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _request_target(scope: Scope) -> str:
    """Return path and query as they were sent; the edge may have changed the path since."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope["path"]
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    ShopError: handle_shop_error,
    HTTPException: handle_http_exception,
    UnicodeDecodeError: handle_undecodable_body,
    RecursionError: handle_undecodable_body,
    asyncpg.SerializationError: handle_collision,
    asyncpg.DeadlockDetectedError: handle_collision,
    Exception: handle_unexpected_error,
}
