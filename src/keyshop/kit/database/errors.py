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
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
)
"""
What the driver raises when the server is down, shutting down, starting or out of connections, and when
it cancels a statement.
"""

REFUSED_FOR_NOW: Final = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
)
"""
What a server raises that takes no changes for a while: read-only, a standby, or its disk is full.

The connection is good, and statements that only read succeed.
"""

CONNECTION_UNUSABLE: Final = (
    *CONNECTION_LOST,
    asyncpg.InterfaceError,
    # The server's shutdown message arrived in the middle of a statement.
    asyncpg.InternalClientError,
)
"""The same for a connection outside the pool, where a driver in an invalid state is lost as well."""

STATEMENT_OUTDATED: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""A table was altered (ALTER COLUMN TYPE), and the driver has forgotten what it knew of it."""

PARAMETERS_OUTDATED: Final = (asyncpg.UndefinedFunctionError, asyncpg.DatatypeMismatchError)
"""What PostgreSQL raises, among other causes, when a column has another type than a parameter."""

RETRYABLE: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""A collision with another transaction: nothing has changed, and a second attempt may succeed."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached."""

    def __init__(
        self, sentence: str = "The database cannot be reached at the moment. Please try again."
    ) -> None:
        super().__init__(sentence)


class DatabaseReadOnly(DatabaseUnavailable):
    """PostgreSQL takes no changes at the moment; reads succeed."""

    def __init__(self) -> None:
        super().__init__("The shop cannot save changes at the moment. Please try again later.")


class DatabaseSlow(DatabaseUnavailable):
    """PostgreSQL cancelled a statement, mostly because it took longer than `statement_timeout`."""

    def __init__(self) -> None:
        super().__init__("The shop is too busy for this request at the moment. Please try again.")


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
    # ON CONFLICT without its constraint: a restore adds constraints after the rows.
    asyncpg.InvalidColumnReferenceError,
)
"""A table, column, type, function or constraint of a statement is missing or of another type."""


class SchemaChanged(DatabaseUnavailable):
    """Another application has removed or renamed something that a statement of the shop needs."""

    def __init__(self) -> None:
        super().__init__(
            "The shop's database is being changed, and this request cannot be answered at the"
            " moment. Please try again later."
        )


class PrivilegeMissing(DatabaseUnavailable):
    """The shop's role may not do what a statement does, as after `pg_restore --no-owner` or a REVOKE."""

    def __init__(self, refusal: BaseException | None = None) -> None:
        """Say it to an operator, with PostgreSQL's `refusal`, or to a customer."""
        super().__init__(
            f"PostgreSQL refuses the role in DATABASE_URL: {refusal}. Grant it what it needs."
            if refusal
            else "The shop has no access to a part of its database, and this request cannot be"
            " answered at the moment. Please try again later."
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
