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


SCHEMA_CHANGED: Final = (
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidSchemaNameError,
    # A name that is missing in one table may be found in two others.
    asyncpg.AmbiguousColumnError,
    asyncpg.DatatypeMismatchError,
)
"""A table, column, type or function that a statement needs is missing or of another type."""


class SchemaChanged(DatabaseUnavailable):
    """Another application has removed or renamed something that a statement of the shop needs."""

    def __init__(self) -> None:
        super().__init__(
            "The shop's database is being changed, and this request cannot be answered at the"
            " moment. Please try again later."
        )


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
