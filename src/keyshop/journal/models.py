"""The rows of the journal."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

Details = Mapping[str, str | int | bool | None]


class Entry(Struct, frozen=True, kw_only=True):
    """What somebody did to one thing."""

    happened_at: datetime
    actor: str
    """The operator: a name of the machine's accounts, or the id of a user."""

    action: str
    """What was done, such as `users.role`."""

    details: dict[str, str | int | bool | None]
    """What else is to be known; no e-mail addresses, no names, no secrets."""
