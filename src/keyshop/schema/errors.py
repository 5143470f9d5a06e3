"""Reasons why a database is not upgraded, attached or detached."""

import asyncpg

from keyshop.kit.errors import Conflict, Invalid


class ForeignDatabase(Conflict):
    """The database holds something that keyshop did not make."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(
            f"The database is not empty and was not made by keyshop: it holds {_first(found)};"
            " nothing was changed. Run `keyshop db attach --check` to see whether keyshop can attach"
            " it, or name an empty database in DATABASE_URL."
        )


class NewerDatabase(Conflict):
    """This version of keyshop does not know the database's revision."""

    def __init__(self, current: str) -> None:
        super().__init__(
            f"The database is at revision {current}, which this version of keyshop does not know;"
            " nothing was changed. Start a newer version of keyshop."
        )


class UnreleasedDatabase(Conflict):
    """The database was made before the first release; its revisions have been rewritten since."""

    def __init__(self, current: str, *, attached: bool) -> None:
        super().__init__(
            f"The database was made by an unreleased version of keyshop (revision {current}) and"
            " cannot be upgraded; nothing was changed."
            f" {_ATTACH_AGAIN if attached else _START_AGAIN}"
        )


_ATTACH_AGAIN = (
    "Run `keyshop db detach` and then `keyshop db attach`: the shop's tables keep their rows, but the"
    " data in schema keyshop is lost."
)
_START_AGAIN = (
    "If DATABASE_URL is not set, stop keyshop, move the folder KEYSHOP_HOME away and start again."
    " Otherwise name an empty database in DATABASE_URL; or keep the rows of the shop's tables: run"
    " `DROP SCHEMA keyshop CASCADE` in this database and then `keyshop db attach`."
)


class MigrationFailed(Conflict):
    """PostgreSQL refused a revision, and all of it was rolled back."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        super().__init__(
            f"The migration {name} failed and was rolled back. PostgreSQL says: {error}."
        )


class UpgradeBusy(Conflict):
    """Another process is changing the schema of the same database."""

    def __init__(self) -> None:
        super().__init__(
            "Another upgrade of this database has been running for two minutes. Try again later."
        )


class ServerRefused(Invalid):
    """PostgreSQL answers, but refuses this URL."""


class StatementCancelled(Conflict):
    """A timeout or an administrator cancelled a statement that only reads."""

    def __init__(self, error: asyncpg.QueryCanceledError) -> None:
        super().__init__(
            f"PostgreSQL cancelled a statement of this command: {error}. Run the command again."
        )


class AttachRefused(Conflict):
    """The database differs from what Prisma makes, and keyshop cannot work with it."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(
            f"The database cannot be attached: {_first(found, separator='; ')}. Nothing was changed."
            " Run `keyshop db attach --check` for a list of all differences."
        )


class AttachUnfinished(Conflict):
    """Attaching has begun and was interrupted."""

    def __init__(self) -> None:
        super().__init__(
            "Attaching this database was interrupted; nothing was changed now. Run"
            " `keyshop db attach` to resume it, or `keyshop db detach` to undo it."
        )


class AttachStopped(Conflict):
    """A step of attaching failed; the steps before it remain."""

    def __init__(self, step: str, error: asyncpg.PostgresError) -> None:
        super().__init__(
            f"{step} failed. PostgreSQL says: {error}. The steps before it remain, and do not disturb"
            " the shop. Run `keyshop db attach` to resume, or `keyshop db detach` to undo them."
        )


class NothingToAttach(Conflict):
    """The database was not made by Prisma, or is attached already."""


class DetachRefused(Conflict):
    """The database is not attached, or detaching it would remove objects that are not keyshop's."""


def _first(found: list[str], *, separator: str = ", ") -> str:
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return separator.join(found[:5]) + more
