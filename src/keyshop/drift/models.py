"""What an audit finds."""

from msgspec import Struct


class Violation(Struct, frozen=True, kw_only=True):
    """One contradiction; its texts hold neither a key nor a secret."""

    name: str
    """Of the rule that is violated, such as `balance_equation`."""

    subject: str
    """The kind of what contradicts the rule, such as `user` or `order`."""

    subject_id: str
    detail: str
