"""The one table from what can go wrong to what a caller is told."""

import math
from typing import Any, Final, TypeAlias

import structlog
from litestar import MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap, Scope

from keyshop.entrypoints.http.envelope import Failure, failure
from keyshop.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ShopError,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from keyshop.kit.ids import new_id

ApiRequest: TypeAlias = Request[None, None, State]

MAX_BODY: Final = 100 * 1024  # bytes

STATUS_OF: Final[dict[type[ShopError], int]] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooMany: 429,
    Unavailable: 503,
}

_RETRY_AFTER: Final = 5  # seconds, when nothing better is known

_SENTENCES: Final = {
    400: "The request cannot be understood.",
    401: "Please sign in.",
    403: "This is not allowed.",
    413: "The request's body is larger than 100 kB.",
    415: "The request's body must be JSON.",
}

_log = structlog.get_logger()


def refuse(_: ApiRequest, error: ShopError) -> Response[bytes]:
    """Answer what the shop says no with, in its own words."""
    return _response(status_of(error), str(error), headers_of(error))


def headers_of(error: ShopError) -> dict[str, str] | None:
    """Return what an answer to this refusal tells programs, if anything."""
    if isinstance(error, TooMany):
        return {"Retry-After": str(math.ceil(error.retry_after))}
    if isinstance(error, Unavailable) and error.may_be_repeated:
        return {"Retry-After": str(_RETRY_AFTER)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return None


def status_of(error: ShopError) -> int:
    """Return the status of the error's family."""
    return next(status for family, status in STATUS_OF.items() if isinstance(error, family))


def refuse_request(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    """Answer what the framework says no with; its own texts quote decoders and stay inside."""
    status = error.status_code
    if status == 404:
        return _response(404, f"Route {_asked_for(request.scope)} not found")
    if status == 405:
        return _response(405, f"{request.method} is not possible here.", error.headers)
    if isinstance(error, ValidationException):
        return _response(400, _wrong_parameters(error))
    if status >= 500:
        return fail(request, error)
    return _response(status, _SENTENCES.get(status, _SENTENCES[400]))


def refuse_body(request: ApiRequest, error: UnicodeDecodeError | RecursionError) -> Response[bytes]:
    """Answer a body that the decoder gives up on; without a body it is a fault of ours."""
    if request.method in {"POST", "PUT", "PATCH", "DELETE"}:
        return _response(400, _SENTENCES[400])
    return fail(request, error)


def fail(_: ApiRequest, error: Exception) -> Response[bytes]:
    """Answer a fault of ours: its text goes to the log, its id to the caller."""
    error_id = new_id()
    _log.error("request.failed", error_id=error_id, exc_info=error)
    return _response(500, f"Something went wrong on our side. The error's id is {error_id}.")


def _wrong_parameters(error: ValidationException) -> str:
    found = error.extra if isinstance(error.extra, list) else []
    names = sorted({_as_sent(str(wrong["key"])) for wrong in found if "key" in wrong})
    if not names:
        return _SENTENCES[400]
    return f"Wrong or missing in the request: {', '.join(names)}."


def _as_sent(name: str) -> str:
    """Return the parameter's name as callers write it: `pageSize`, not `page_size`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _asked_for(scope: Scope) -> str:
    """Return path and query as they were sent: the path may have been mended since."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope["path"]
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _response(status: int, message: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        failure(message), status_code=status, headers=headers, media_type=MediaType.JSON
    )


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    ShopError: refuse,
    HTTPException: refuse_request,
    UnicodeDecodeError: refuse_body,
    RecursionError: refuse_body,
    Exception: fail,
}

_DESCRIPTIONS: Final = {
    400: "A parameter cannot be meant.",
    401: "Nobody has signed in.",
    403: "Whoever asks may not.",
    404: "There is no such thing.",
    409: "The state of things does not allow it.",
    429: "It was asked too often; Retry-After says in how many seconds it may be again.",
    405: "The method is not possible here.",
    413: "The body is too large.",
    500: "A fault of the shop; it is in the log under the id that the message names.",
    503: "The database is away; try again.",
}


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the description of these refusals for the OpenAPI document."""
    return {
        status: ResponseSpec(Failure, description=_DESCRIPTIONS[status], generate_examples=False)
        for status in statuses
    }


def described(answer: Any, *refused: int, status: int = 200) -> dict[int, ResponseSpec]:
    """Return the description of an answer that is sent as ready bytes, and of its refusals."""
    return {
        status: ResponseSpec(answer, description="The answer.", generate_examples=False),
        **refusals(400, 500, 503, *refused),
    }
