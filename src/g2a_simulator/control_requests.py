"""The requests of the control API, and how their queries and bodies are read."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from g2a_simulator.edits import Fields
from g2a_simulator.errors import InvalidCommand

_Body = TypeVar("_Body")


@dataclass(frozen=True)
class ControlRequest:
    """A request for the control API: the id in its path, its query and its body."""

    path_id: str
    query: dict[str, str]
    body: Fields


class NewFault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault to switch on, for the next `calls` or at a `rate`."""

    endpoint: str
    kind: str
    calls: int | None = None
    rate: float | None = None
    seconds: float = 1.0
    retry_after: int | None = None
    after_effect: bool = False


class NewProduct(msgspec.Struct, forbid_unknown_fields=True):
    """A product to put on offer."""

    id: str
    fields: Fields = {}


class Override(msgspec.Struct, forbid_unknown_fields=True):
    """Values to emit without validation, and fields to leave out."""

    fields: Fields = {}
    without: list[str] = []


class TopUp(msgspec.Struct, forbid_unknown_fields=True):
    """Money to add to the wallet, in EUR."""

    amount: Decimal


class StatusChange(msgspec.Struct, forbid_unknown_fields=True):
    """A state for the details to show, or null for the true state."""

    status: str | None


def read_query(text: str) -> dict[str, str]:
    """Return the query's parameters; of several with one name the last counts."""
    return dict(parse_qsl(text))


def read_number(request: ControlRequest, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise InvalidCommand(f"{name} must be a whole number.")
    return int(text)


def convert_body(body: Fields, kind: type[_Body]) -> _Body:
    """
    Convert a body to its type.

    Raises:
        InvalidCommand: a field is missing, unknown or has a wrong type.
    """
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise InvalidCommand(f"Invalid body: {error}.") from error
