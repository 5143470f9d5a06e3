"""JSON bodies, read strictly."""

import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from keyshop.entrypoints.http.errors import ApiRequest
from keyshop.kit.errors import Invalid

_Shape = TypeVar("_Shape")

# Where the decoder says that a value of the wrong kind stands.
_FIELD: Final = re.compile(r"`\$\.(\w+)")
# An escape, and not a backslash that is one itself before the letters of one.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NONE: Final[Mapping[str, str]] = {}


class BadBody(Invalid):
    """The body is no JSON, or not of the form that the endpoint takes."""

    def __init__(self, message: str = "The request's body cannot be understood.") -> None:
        super().__init__(message)


async def read_body(
    request: ApiRequest,
    shape: type[_Shape],
    *,
    wrong: Mapping[str, str] = _NONE,
    otherwise: str = "The request's body cannot be understood.",
) -> _Shape:
    """
    Return the request's body; a text is never taken for a number.

    The framework's own way converts what it can, and its errors quote the decoder.

    Args:
        request: Whose body it is.
        shape: What it must be.
        wrong: What to say of a field whose value is of the wrong kind, by its name.
        otherwise: What to say of anything else that is not of the shape.

    Raises:
        BadBody: it is not of that shape.
    """
    body = await request.body()
    try:
        found = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(_sentence(error, wrong) or otherwise) from None
    if _NUL.search(body):
        # PostgreSQL's texts cannot hold it.
        raise BadBody(otherwise)
    return found


def _sentence(error: Exception, wrong: Mapping[str, str]) -> str | None:
    field = _FIELD.search(str(error)) if wrong else None
    return wrong.get(field.group(1)) if field else None
