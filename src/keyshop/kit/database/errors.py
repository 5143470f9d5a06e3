"""What can go wrong between the shop and PostgreSQL, and what may then be done."""

from typing import Final

import asyncpg

from keyshop.kit.errors import Unavailable

CONNECTION_LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)
"""What the driver raises when the server is away, shutting down or full."""

CONNECTION_UNUSABLE: Final = (
    *CONNECTION_LOST,
    asyncpg.InterfaceError,
    # The server's last words arrived in the middle of a statement's messages.
    asyncpg.InternalClientError,
)
"""The same for a connection outside the pool, where a confused driver also means a lost connection."""

RETRYABLE: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""A collision with another transaction: nothing has changed, and a second attempt may succeed."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached."""

    def __init__(
        self, sentence: str = "The database cannot be reached at the moment. Please try again."
    ) -> None:
        super().__init__(sentence)


class DatabaseBusy(DatabaseUnavailable):
    """Somebody else holds a row for longer than this process waits."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody else is changing the same thing at the moment. Please try again."
        )


class CommitOutcomeUnknown(DatabaseUnavailable):
    """
    The connection broke at a COMMIT, and PostgreSQL cannot be asked.

    What became of the COMMIT is not known; or it was done, and readers may be given what was before.
    """

    may_be_repeated = False

    def __init__(self) -> None:
        super().__init__(
            "It is not known whether this was done. Please look before you try it again."
        )
