"""Responses: JSON bytes that are ready, messages, data and errors."""

from collections.abc import Sequence
from typing import Final, Literal, TypeVar, cast

from litestar import MediaType, Response
from litestar.datastructures import Cookie
from litestar.types import HTTPResponseStartEvent, HTTPScope, Receive, Scope, Send
from msgspec import Struct, json

from keyshop.entrypoints.http.conditional import is_unchanged
from keyshop.kit.envelope import body_of, encode_data, etag_of

Headers = Sequence[tuple[bytes, bytes]]

JSON_HEADERS: Final[Headers] = [(b"content-type", b"application/json")]

# Any cache may keep it, and asks whether it is unchanged before each use.
_REVALIDATE: Final = (b"cache-control", b"public, no-cache")

_ENCODER: Final = json.Encoder()
_Data = TypeVar("_Data")


class ErrorDetail(Struct, frozen=True):
    """What went wrong, in a sentence for the user."""

    message: str


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The body of every error."""

    success: Literal[False] = False
    error: ErrorDetail


class MessageBody(Struct, frozen=True, kw_only=True):
    """The body of a write that returns no data."""

    success: Literal[True] = True
    message: str


class JsonBytes:
    """
    A response of status 200 whose body is encoded already.

    Litestar's own responses take ten times as long to build and add nothing to this one.
    """

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send_response(send, 200, JSON_HEADERS, self._body)


class PublicJson:
    """
    A response of status 200 that is the same for all visitors: JSON after its entity tag.

    To a client that names this tag in If-None-Match, it is 304 without a body.
    """

    __slots__ = ("_answer",)

    def __init__(self, answer: bytes) -> None:
        """Take an answer as `encode_with_etag` returns it."""
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        etag = etag_of(self._answer)
        validators: Headers = [(b"etag", etag), _REVALIDATE]
        if is_unchanged(cast("HTTPScope", scope), etag):
            await send_response(send, 304, validators, b"")
        else:
            await send_response(send, 200, [*JSON_HEADERS, *validators], body_of(self._answer))


async def send_response(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole response over ASGI."""
    if status != 304:  # there, a length would be that of the body which is not sent
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": status,
        "headers": headers,
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def message_response(
    message: str, *, status: int = 200, cookies: Sequence[Cookie] = ()
) -> Response[bytes]:
    body = _ENCODER.encode(MessageBody(message=message))
    return _json_response(body, status, cookies)


def data_response(
    data: _Data, *, status: int = 200, cookies: Sequence[Cookie] = ()
) -> Response[bytes]:
    return _json_response(encode_data(data), status, cookies)


def error_response(
    status: int, message: str, headers: dict[str, str] | None = None
) -> Response[bytes]:
    return Response(
        encode_error(message), status_code=status, headers=headers, media_type=MediaType.JSON
    )


def encode_error(message: str) -> bytes:
    """Return the body of an error."""
    return _ENCODER.encode(ErrorBody(error=ErrorDetail(message)))


def _json_response(body: bytes, status: int, cookies: Sequence[Cookie]) -> Response[bytes]:
    return Response(body, status_code=status, media_type=MediaType.JSON, cookies=list(cookies))
