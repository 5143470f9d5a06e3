"""Errors between the shop and PostgreSQL, sorted by what the caller may do next."""

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
"""What the driver raises when the server is down, shutting down or out of connections."""

CONNECTION_UNUSABLE: Final = (
    *CONNECTION_LOST,
    asyncpg.InterfaceError,
    # The server's shutdown message arrived in the middle of a statement.
    asyncpg.InternalClientError,
)
"""The same for a connection outside the pool, where a driver in an invalid state is lost as well."""

STATEMENT_OUTDATED: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""A table was altered (ALTER COLUMN TYPE), and the driver has forgotten what it knew of it."""

RETRYABLE: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""A collision with another transaction: nothing has changed, and a second attempt may succeed."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached."""

    def __init__(
        self, sentence: str = "The database cannot be reached at the moment. Please try again."
    ) -> None:
        super().__init__(sentence)


class DatabaseBusy(DatabaseUnavailable):
    """Another transaction holds a lock for longer than `lock_timeout`."""

    def __init__(self) -> None:
        super().__init__(
            "Another request is changing the same data at the moment. Please try again."
        )


class TablesChanged(DatabaseUnavailable):
    """A table was altered during the transaction, which was rolled back."""

    def __init__(self) -> None:
        super().__init__("The shop's tables are being changed at the moment. Please try again.")


class CommitOutcomeUnknown(DatabaseUnavailable):
    """
    The connection was lost at a COMMIT, and PostgreSQL does not answer.

    Either the outcome is not known, or the COMMIT was done and readers may still see older values.
    """

    may_be_repeated = False

    def __init__(self) -> None:
        super().__init__(
            "It is not known whether this change was saved. Please check before you try again."
        )
