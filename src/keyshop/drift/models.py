"""What an audit finds."""

from typing import Final

from msgspec import Struct

RULES: Final = (
    "balance_equation",
    "negative_balance",
    "ledger_row_missing",
    "unexplained_change",
    "completed_with_open_unit",
    "charged_sum",
    "key_of_two_units",
    "delivered_without_key",
    "key_without_delivered",
    "key_assigned_elsewhere",
    "overdue_unit",
    "order_state",
    "refund_sum",
    "orphan_not_refunded",
    "promo_count",
    "paid_without_credit",
)
"""The rules of view `keyshop.violations`."""


class Violation(Struct, frozen=True, kw_only=True):
    """One contradiction; its texts hold neither a key nor a secret."""

    name: str
    """Of the rule that is violated, such as `balance_equation`."""

    subject: str
    """The kind of what contradicts the rule, such as `user` or `order`."""

    subject_id: str
    detail: str


class Findings(Struct, frozen=True):
    """What contradicts the rules."""

    counts: dict[str, int]
    """The number of violations of each rule, zeros included."""

    violations: list[Violation]
    """The first ones of each rule."""

    @property
    def total(self) -> int:
        """The number of all violations."""
        return sum(self.counts.values())
