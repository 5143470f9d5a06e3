"""Tells where a database stands."""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from keyshop.kit.database.transaction import Reader
from keyshop.schema.connect import Connection
from keyshop.schema.revisions import Revision
from keyshop.schema.triggers import TriggerFault, find_trigger_faults

_HAS_VERSION: Final = "SELECT to_regclass('keyshop.alembic_version') IS NOT NULL"
_VERSION: Final = "SELECT version_num FROM keyshop.alembic_version"

_HAS_ATTACHMENT: Final = "SELECT to_regclass('keyshop.attachment') IS NOT NULL"
_ATTACHMENT: Final = "SELECT begun_at, finished_at FROM keyshop.attachment"
_MADE_BY_KEYSHOP: Final = "SELECT NOT EXISTS (SELECT FROM keyshop.attachment)"

# Members of extensions are left out: hosted servers put pg_stat_statements into public.
_FOUND: Final = """
    SELECT format('%I.%I', n.nspname, found.name) AS name
    FROM (
        SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS namespace, relname AS name
        FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'pg_type'::regclass, oid, typnamespace, typname
        FROM pg_type WHERE typtype IN ('e', 'd')
    ) AS found
    JOIN pg_namespace AS n ON n.oid = found.namespace AND n.nspname IN ('public', 'keyshop')
    WHERE NOT EXISTS (
        SELECT 1 FROM pg_depend AS d
        WHERE d.classid = found.catalog AND d.objid = found.oid AND d.deptype = 'e'
    )
    ORDER BY n.nspname DESC, found.catalog DESC, found.name COLLATE "C"
"""

State = Literal["empty", "ours", "newer", "foreign"]


class Attachment(Struct, frozen=True):
    """When keyshop took the database over from Prisma."""

    begun_at: datetime
    finished_at: datetime | None
    """None: it was interrupted."""


class Status(Struct, frozen=True, kw_only=True):
    """Where a database stands."""

    state: State
    current: str | None
    """The revision it stands at."""

    head: str
    """The revision this version of keyshop works with."""

    pending: list[str]
    """Names of the revisions that `upgrade` would apply."""

    found: list[str]
    """In a foreign database: its tables and types."""

    attachment: Attachment | None
    """None: it is not attached; when ours, keyshop made it."""

    triggers: list[TriggerFault]
    """Triggers of keyshop's that somebody dropped or switched off."""


async def look(connection: Connection, revisions: list[Revision]) -> Status:
    """Return where the database stands."""
    current: str | None = None
    if await connection.fetchval(_HAS_VERSION):
        current = await connection.fetchval(_VERSION)
    state, pending = _place(current, revisions)
    found = []
    if current is None:
        found = [record["name"] for record in await connection.fetch(_FOUND)]
        state = "foreign" if found else "empty"
    return Status(
        state=state,
        current=current,
        head=revisions[-1].id,
        pending=[] if state == "foreign" else pending,
        found=found,
        attachment=await _find_attachment(connection),
        triggers=await find_trigger_faults(connection),
    )


async def was_made_by_keyshop(reader: Reader) -> bool:
    """Test whether keyshop made the tables of a database at the newest revision; else Prisma did."""
    made: bool = await reader.fetchval(_MADE_BY_KEYSHOP)
    return made


def _place(current: str | None, revisions: list[Revision]) -> tuple[State, list[str]]:
    ids = [revision.id for revision in revisions]
    names = [revision.name for revision in revisions]
    if current is None:
        return "empty", names
    if current not in ids:
        return "newer", []
    return "ours", names[ids.index(current) + 1 :]


async def _find_attachment(connection: Connection) -> Attachment | None:
    if not await connection.fetchval(_HAS_ATTACHMENT):
        return None
    row = await connection.fetchrow(_ATTACHMENT)
    return Attachment(row["begun_at"], row["finished_at"]) if row else None
