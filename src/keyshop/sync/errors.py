"""What a sync refuses, and how one ends early."""

from keyshop.kit.errors import Conflict
from keyshop.sync.rules import RunKind


class SyncAlreadyRunning(Conflict):
    """A run of this kind is going on, here or on another machine."""

    def __init__(self, kind: RunKind) -> None:
        super().__init__(
            f"A {kind.label} is running already; `keyshop sync status` shows how far it is."
        )


class RunTakenOver(Conflict):
    """The run was declared interrupted by another one, and must write nothing more."""

    def __init__(self, kind: RunKind) -> None:
        super().__init__(
            f"This {kind.label} lost its connection and was declared interrupted; start it again."
        )
