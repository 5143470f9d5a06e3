"""
Supplier errors, sorted by what we may do next.

SupplierError
├── SupplierUnavailable   nothing happened; trying again is safe
├── SupplierRefused       nothing happened, and trying again will not help
└── OutcomeUnknown        it may have happened; look before trying again
"""


class SupplierError(Exception):
    """The supplier did not do what it was asked."""

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        """Remember the supplier's own code beside the sentence, where it gave one (`ORD114`)."""
        super().__init__(sentence)
        self.code = code


class SupplierUnavailable(SupplierError):
    """Nothing happened; trying again is safe."""


class SupplierRefused(SupplierError):
    """Nothing happened, and trying again will not help."""


class OutcomeUnknown(SupplierError):
    """It may have happened; look before trying again."""
