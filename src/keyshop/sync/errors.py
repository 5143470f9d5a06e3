"""Errors of a sync."""

from keyshop.kit.errors import Conflict
from keyshop.sync.rules import RunKind


class SyncAlreadyRunning(Conflict):
    """Another run of this kind is in progress, on any machine."""

    def __init__(self, kind: RunKind) -> None:
        super().__init__(
            f"A {kind.label} is already running; `keyshop sync status` shows its progress."
        )


class RunTakenOver(Conflict):
    """The run was marked as interrupted by another process, and must write nothing more."""

    def __init__(self, kind: RunKind) -> None:
        super().__init__(
            f"This {kind.label} lost its database connection and was marked as interrupted."
            " Start it again."
        )
