"""
Supplier errors, sorted by what the caller may do next.

SupplierError
├── SupplierUnavailable   nothing happened; trying again is safe
├── SupplierRefused       nothing happened, and trying again will not help
└── OutcomeUnknown        it may have happened; check before trying again
"""


class SupplierError(Exception):
    """The call to the supplier failed."""

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        """`code` is the supplier's own error code, such as ORD114, where it sent one."""
        super().__init__(sentence)
        self.code = code


class SupplierUnavailable(SupplierError):
    """Nothing happened; trying again is safe."""


class SupplierRefused(SupplierError):
    """Nothing happened, and trying again will not help."""


class OutcomeUnknown(SupplierError):
    """It may have happened; check before trying again."""
