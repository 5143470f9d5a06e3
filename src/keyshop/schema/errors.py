"""Why a database is not upgraded, taken over, or given back."""

import asyncpg

from keyshop.kit.errors import Conflict, Invalid


class ForeignDatabase(Conflict):
    """The database holds what keyshop did not make."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(
            f"The database is not empty and was not made by keyshop: it holds {_first(found)};"
            " nothing was changed. `keyshop db attach --check` tells whether keyshop can take it"
            " over; else name an empty database in DATABASE_URL."
        )


class NewerDatabase(Conflict):
    """The database stands at a revision that this version does not know."""

    def __init__(self, current: str) -> None:
        super().__init__(
            f"The database stands at revision {current}, which this version of keyshop does not"
            " know; nothing was changed. Start a newer version."
        )


class MigrationFailed(Conflict):
    """PostgreSQL refused a revision, and all of it was undone."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        super().__init__(f"The migration {name} was refused and undone. PostgreSQL says: {error}.")


class UpgradeBusy(Conflict):
    """Somebody else is upgrading the same database."""

    def __init__(self) -> None:
        super().__init__(
            "Another upgrade of this database has been at work for two minutes; try again later."
        )


class ServerRefused(Invalid):
    """PostgreSQL answers, but not to this address."""


class AttachRefused(Conflict):
    """The database differs from what Prisma makes in a way that keyshop cannot work with."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(
            f"The database cannot be taken over: {_first(found, separator='; ')}. Nothing was"
            " changed. `keyshop db attach --check` lists every difference."
        )


class AttachUnfinished(Conflict):
    """A take-over began, and did not come to its end."""

    def __init__(self) -> None:
        super().__init__(
            "Taking over this database was begun and not finished; nothing was changed now."
            " `keyshop db attach` goes on with it, `keyshop db detach` undoes it."
        )


class AttachStopped(Conflict):
    """A step of the take-over was refused; those before it stay."""

    def __init__(self, step: str, error: asyncpg.PostgresError) -> None:
        super().__init__(
            f"{step} was refused. PostgreSQL says: {error}. What was done before stays and harms"
            " nobody: `keyshop db attach` goes on from there, `keyshop db detach` undoes it."
        )


class NothingToAttach(Conflict):
    """There is no database of Prisma's to take over."""


class DetachRefused(Conflict):
    """Giving the database back would lose, or change, what is not keyshop's to lose."""


def _first(found: list[str], *, separator: str = ", ") -> str:
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return separator.join(found[:5]) + more
