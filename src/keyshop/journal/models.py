"""The rows of the journal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

Details = Mapping[str, str | int | bool | None]


class Subject(Struct, frozen=True):
    """The thing that an operator changed."""

    kind: Literal["user", "shop", "order", "game", "key", "promo"]
    id: str


class Entry(Struct, frozen=True, kw_only=True):
    """One action of one operator."""

    happened_at: datetime
    actor: str
    """The operator: a user of the operating system, or the id of an account."""

    action: str
    """Such as `users.role`."""

    details: dict[str, str | int | bool | None]
    """Facts about the action; never an e-mail address, a name or a secret."""
