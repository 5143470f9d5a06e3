"""The weakened class that replaces a class of the product, by variant."""

from collections.abc import Mapping
from typing import Final

from tests.consistency.weakened.readers import (
    FillsWithoutLease,
    ForgetsWhoseCart,
    IgnoresEpochs,
    IgnoresGenerations,
    KeepsOldOrders,
    KeepsOldTags,
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
    "cache-aside": {"CacheOperations": FillsWithoutLease, "RedisCommitGuard": DeletesAfterCommit},
    "delete-before-commit": {"RedisCommitGuard": DeletesBeforeCommit},
    "lease-without-marker": {"RedisCommitGuard": LeavesNoMarker},
    "no-epoch": {"CacheOperations": IgnoresEpochs},
    "trust-after-reply-only": {"CacheOperations": TrustsAfterTheReplyOnly},
    "trust-remembered": {"CacheOperations": TrustsForEver},
    "trust-without-relay": {"CacheOperations": TrustsForEver},
    "shared-cart-key": {"GuardedCache": ForgetsWhoseCart},
    "guests-forgotten": {"RedisCommitGuard": ForgetsGuests},
    "orders-forgotten": {"GuardedCache": KeepsOldOrders},
    "old-entity-tags": {"GuardedCache": KeepsOldTags},
    "no-generation": {"CacheOperations": IgnoresGenerations},
}
