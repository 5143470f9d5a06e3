"""Reads the status of a database: who made it, and its revision."""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from keyshop.kit.database.transaction import Reader
from keyshop.schema.connect import Connection
from keyshop.schema.missed import list_missed_tables
from keyshop.schema.missing import list_missing_parts
from keyshop.schema.revisions import UNRELEASED_IDS, Revision
from keyshop.schema.triggers import TriggerFault, list_trigger_faults

_HAS_VERSION: Final = "SELECT to_regclass('keyshop.alembic_version') IS NOT NULL"
_VERSION: Final = "SELECT version_num FROM keyshop.alembic_version"

_HAS_ATTACHMENT: Final = "SELECT to_regclass('keyshop.attachment') IS NOT NULL"
_ATTACHMENT: Final = "SELECT begun_at, finished_at FROM keyshop.attachment"
_MADE_BY_KEYSHOP: Final = "SELECT NOT EXISTS (SELECT FROM keyshop.attachment)"

# Without members of extensions: hosted servers install pg_stat_statements in public.
_TABLES_AND_TYPES: Final = """
    SELECT format('%I.%I', n.nspname, object.name) AS name
    FROM (
        SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS namespace, relname AS name
        FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'pg_type'::regclass, oid, typnamespace, typname
        FROM pg_type WHERE typtype IN ('e', 'd')
    ) AS object
    JOIN pg_namespace AS n ON n.oid = object.namespace AND n.nspname IN ('public', 'keyshop')
    WHERE NOT EXISTS (
        SELECT 1 FROM pg_depend AS d
        WHERE d.classid = object.catalog AND d.objid = object.oid AND d.deptype = 'e'
    )
    ORDER BY n.nspname DESC, object.catalog DESC, object.name COLLATE "C"
"""

State = Literal["empty", "ours", "newer", "unreleased", "foreign"]
"""
`ours`: keyshop made or attached it, at a revision that this version knows. `newer`: a newer version has
upgraded it. `unreleased`: a version before the first release made it. `foreign`: another application did.
"""


class Attachment(Struct, frozen=True):
    """When a database that Prisma made was attached."""

    begun_at: datetime
    finished_at: datetime | None
    """None: the attach was interrupted."""


class Status(Struct, frozen=True, kw_only=True):
    state: State
    current: str | None
    """The database's revision."""

    head: str
    """The newest revision that this version of keyshop knows."""

    pending: list[str]
    """Names of the revisions that `upgrade` would apply."""

    found: list[str]
    """The tables and types of a foreign database."""

    attachment: Attachment | None
    """None: keyshop made the database, or it is not attached."""

    triggers: list[TriggerFault]
    """Triggers of keyshop that are missing, disabled or changed."""

    missing: list[str]
    """Tables and columns of the shop that are missing from an upgraded database."""

    missed: list[str]
    """Tables with changes that keyshop's triggers could not follow, for want of a column."""


async def read_status(connection: Connection, revisions: list[Revision]) -> Status:
    current: str | None = None
    if await connection.fetchval(_HAS_VERSION):
        current = await connection.fetchval(_VERSION)
    found = []
    if current is None:
        found = [record["name"] for record in await connection.fetch(_TABLES_AND_TYPES)]
    state = _state(current, found, revisions)
    return Status(
        state=state,
        current=current,
        head=revisions[-1].id,
        pending=[] if found else _pending(current, revisions),
        found=found,
        attachment=await _find_attachment(connection),
        triggers=await list_trigger_faults(connection),
        missing=await list_missing_parts(connection) if state == "ours" else [],
        missed=await list_missed_tables(connection),
    )


async def was_made_by_keyshop(reader: Reader) -> bool:
    """Test whether keyshop, and not Prisma, made the tables of a fully upgraded database."""
    made: bool = await reader.fetchval(_MADE_BY_KEYSHOP)
    return made


def _state(current: str | None, found: list[str], revisions: list[Revision]) -> State:
    if current is None:
        return "foreign" if found else "empty"
    if current in UNRELEASED_IDS:
        return "unreleased"
    return "ours" if current in {revision.id for revision in revisions} else "newer"


def _pending(current: str | None, revisions: list[Revision]) -> list[str]:
    names = [revision.name for revision in revisions]
    if current is None:
        return names
    ids = [revision.id for revision in revisions]
    return names[ids.index(current) + 1 :] if current in ids else []


async def _find_attachment(connection: Connection) -> Attachment | None:
    if not await connection.fetchval(_HAS_ATTACHMENT):
        return None
    row = await connection.fetchrow(_ATTACHMENT)
    return Attachment(row["begun_at"], row["finished_at"]) if row else None
