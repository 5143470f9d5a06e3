"""Reads the description of schema public from PostgreSQL's catalogues."""

from collections import defaultdict
from importlib.resources import files
from typing import Any, Final, TypeVar

import msgspec
from asyncpg import Record

from keyshop.schema.connect import Connection
from keyshop.schema.models import Column, Constraint, Enum, Index, Schema, Table

_Part = TypeVar("_Part", bound=msgspec.Struct)

# PostgreSQL then prints every name with its schema, whatever the role's search path.
_QUALIFY_NAMES: Final = "SET LOCAL search_path = pg_catalog"

# Without members of extensions: hosted servers install pg_stat_statements in public.
_TABLES: Final = """
    SELECT c.relname AS name, CASE
        WHEN c.relkind = 'r' AND c.relpersistence = 'u' THEN 'unlogged table'
        WHEN c.relkind = 'r' THEN 'table'
        WHEN c.relkind = 'p' THEN 'partitioned table'
        WHEN c.relkind = 'f' THEN 'foreign table'
        WHEN c.relkind = 'm' THEN 'materialized view'
        ELSE 'view' END AS kind
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
        AND NOT EXISTS (
            SELECT 1 FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
    ORDER BY c.relname COLLATE "C"
"""

_ENUMS: Final = """
    SELECT t.typname AS name, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
    FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
    WHERE t.typnamespace = 'public'::regnamespace
    GROUP BY t.oid, t.typname ORDER BY t.typname COLLATE "C"
"""

_COLUMNS: Final = """
    SELECT c.relname, a.attname AS name,
        format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
            THEN ' collate ' || a.attcollation::regcollation ELSE '' END AS type,
        NOT a.attnotnull AS nullable,
        CASE a.attidentity WHEN 'd' THEN 'identity'
            ELSE pg_get_expr(d.adbin, d.adrelid) END AS default,
        a.attgenerated <> '' OR a.attidentity = 'a' AS generated
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""

_INDEXES: Final = """
    SELECT c.relname, x.relname AS name,
        regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', '')
            || CASE WHEN i.indimmediate THEN '' ELSE ' deferrable' END AS definition,
        CASE WHEN i.indisprimary THEN 'primary' WHEN i.indisunique THEN 'unique' ELSE 'plain' END
            AS kind,
        i.indisvalid AND i.indisready AND i.indislive AS valid
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_class AS x ON x.oid = i.indexrelid
    ORDER BY x.relname COLLATE "C"
"""

# Without NOT NULL, which PostgreSQL 18 lists as a constraint too.
_CONSTRAINTS: Final = """
    SELECT c.relname, o.conname AS name, pg_get_constraintdef(o.oid) AS definition,
        CASE o.contype WHEN 'f' THEN 'foreign key' ELSE 'other' END AS kind
    FROM pg_constraint AS o
    JOIN pg_class AS c ON c.oid = o.conrelid AND c.relnamespace = 'public'::regnamespace
    WHERE o.contype IN ('f', 'c', 'x')
    ORDER BY o.conname COLLATE "C"
"""

_TRIGGERS: Final = """
    SELECT c.relname, t.tgname AS name
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace
    WHERE NOT t.tgisinternal
    ORDER BY t.tgname COLLATE "C"
"""


async def describe_public(connection: Connection) -> Schema:
    """Return the description of schema public; the caller's transaction provides the snapshot."""
    await connection.execute(_QUALIFY_NAMES)
    columns = await _read(connection, _COLUMNS, Column)
    indexes = await _read(connection, _INDEXES, Index)
    constraints = await _read(connection, _CONSTRAINTS, Constraint)
    triggers: defaultdict[str, list[str]] = defaultdict(list)
    for record in await connection.fetch(_TRIGGERS):
        triggers[record["relname"]].append(record["name"])
    enums = await connection.fetch(_ENUMS)
    tables = [
        Table(
            name=record["name"],
            kind=record["kind"],
            columns=columns[record["name"]],
            indexes=indexes[record["name"]],
            constraints=constraints[record["name"]],
            triggers=triggers[record["name"]],
        )
        for record in await connection.fetch(_TABLES)
    ]
    return Schema(enums=[_part(Enum, record) for record in enums], tables=tables)


def read_prisma_schema() -> Schema:
    """Return the description of schema public as Prisma's migrations leave it."""
    text = files("keyshop.schema").joinpath("prisma_schema.json").read_bytes()
    return msgspec.json.decode(text, type=Schema)


async def _read(
    connection: Connection, sql: str, part: type[_Part]
) -> defaultdict[str, list[_Part]]:
    """Return the parts by the table they belong to."""
    found: defaultdict[str, list[_Part]] = defaultdict(list)
    for record in await connection.fetch(sql):
        found[record["relname"]].append(_part(part, record))
    return found


def _part(part: type[_Part], record: Record) -> _Part:
    values: dict[str, Any] = dict(record.items())
    values.pop("relname", None)
    return msgspec.convert(values, part)
