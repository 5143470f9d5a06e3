"""JSON bodies, read strictly."""

from typing import TypeVar

import msgspec

from keyshop.entrypoints.api.errors import ApiRequest
from keyshop.kit.errors import Invalid

_Shape = TypeVar("_Shape")


class BadBody(Invalid):
    """The body is no JSON, or not of the form that the endpoint takes."""

    def __init__(self) -> None:
        super().__init__("The request's body cannot be understood.")


async def read_body(request: ApiRequest, shape: type[_Shape]) -> _Shape:
    """
    Return the request's body; a text is never taken for a number.

    The framework's own way converts what it can, and its errors quote the decoder.

    Raises:
        BadBody: it is not of that shape.
    """
    body = await request.body()
    try:
        found = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadBody from None
    if b"\\u0000" in body:
        # PostgreSQL's texts cannot hold it.
        raise BadBody
    return found
