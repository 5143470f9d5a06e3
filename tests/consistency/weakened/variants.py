"""Which class stands in the place of which of the product's."""

from collections.abc import Mapping
from typing import Final

from tests.consistency.weakened.readers import (
    FillsWithoutLease,
    ForgetsWhoseCart,
    IgnoresEpochs,
    IgnoresGenerations,
    TrustsAfterTheReplyOnly,
    TrustsForEver,
)
from tests.consistency.weakened.writers import (
    DeletesAfterCommit,
    DeletesBeforeCommit,
    ForgetsGuests,
    LeavesNoMarker,
)

VARIANTS: Final[Mapping[str, Mapping[str, type]]] = {
    "cache-aside": {"GuardedCache": FillsWithoutLease, "GuardedCommit": DeletesAfterCommit},
    "delete-before-commit": {"GuardedCommit": DeletesBeforeCommit},
    "lease-without-marker": {"GuardedCommit": LeavesNoMarker},
    "no-epoch": {"GuardedCache": IgnoresEpochs},
    "trust-after-reply-only": {"GuardedCache": TrustsAfterTheReplyOnly},
    "trust-remembered": {"GuardedCache": TrustsForEver},
    "trust-without-relay": {"GuardedCache": TrustsForEver},
    "shared-cart-key": {"GuardedCache": ForgetsWhoseCart},
    "guests-forgotten": {"GuardedCommit": ForgetsGuests},
    "no-generation": {"GuardedCache": IgnoresGenerations},
}
