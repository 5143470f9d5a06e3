"""PostgreSQL's catalogues as lines of text that a person can compare."""

from itertools import pairwise
from pathlib import Path

import asyncpg

_HERE = Path(__file__).parent

# Each object in schema public is a heading; its columns, indexes and so on are the lines below it.
_HEADINGS = """
    SELECT 'enum ' || format_type(t.oid, NULL) || ' '
        || (SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder)
            FROM pg_enum WHERE enumtypid = t.oid)
    FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'
    UNION ALL
    SELECT CASE c.relkind WHEN 'r' THEN 'table ' ELSE c.relkind::text || ' ' END
        || c.oid::regclass::text
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 't')
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure::text
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
"""

_COLUMNS = """
    SELECT concat_ws(' ', quote_ident(a.attname),
        replace(format_type(a.atttypid, a.atttypmod), ' without time zone', ''),
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attgenerated WHEN '' THEN NULL ELSE 'generated' END,
        CASE a.attidentity WHEN '' THEN NULL ELSE 'identity' END,
        'default ' || pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""

_INDEXES = """
    SELECT concat_ws(' ', CASE WHEN i.indisunique THEN 'unique' END, 'index',
        i.indexrelid::regclass::text, split_part(pg_get_indexdef(i.indexrelid), ' USING ', 2),
        CASE WHEN NOT i.indisvalid THEN 'invalid' END)
    FROM pg_index i WHERE i.indrelid = $1::text::regclass
"""

# Without NOT NULL, which PostgreSQL 18 lists as a constraint too.
_CONSTRAINTS = """
    SELECT 'constraint ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype <> 'n'
"""

_TRIGGERS = """
    SELECT 'trigger ' || quote_ident(tgname)
    FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal
"""

_OURS = """
    SELECT 'keyshop: table ' || quote_ident(relname)
    FROM pg_class WHERE relnamespace = 'keyshop'::regnamespace AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 'keyshop: view ' || quote_ident(relname)
    FROM pg_class WHERE relnamespace = 'keyshop'::regnamespace AND relkind IN ('v', 'm')
    UNION ALL
    SELECT 'keyshop: type ' || quote_ident(typname)
    FROM pg_type WHERE typnamespace = 'keyshop'::regnamespace AND typtype IN ('e', 'd')
    UNION ALL
    SELECT 'keyshop: function ' || quote_ident(proname)
    FROM pg_proc WHERE pronamespace = 'keyshop'::regnamespace
"""

Blocks = dict[str, list[str]]


async def read_public(connection: asyncpg.Connection) -> Blocks:
    """Return all objects in schema public: a heading for each object, with its lines."""
    # PostgreSQL then prints names in schema public without the schema, whatever the role.
    await connection.execute("SET search_path = public")
    blocks: Blocks = {}
    for (heading,) in await connection.fetch(_HEADINGS):
        kind, _, name = heading.partition(" ")
        blocks[heading] = await _read_table(connection, name) if kind == "table" else []
    return blocks


async def read_ours(connection: asyncpg.Connection) -> list[str]:
    """Return all objects in schema keyshop, one line each."""
    return [line for (line,) in await connection.fetch(_OURS)]


async def _read_table(connection: asyncpg.Connection, table: str) -> list[str]:
    lines = [line for (line,) in await connection.fetch(_COLUMNS, table)]
    for query in (_INDEXES, _CONSTRAINTS, _TRIGGERS):
        lines += sorted(line for (line,) in await connection.fetch(query, table))
    return lines


def is_ours(line: str) -> bool:
    """Test whether the line describes an index or trigger that keyshop added."""
    words = line.replace('"', "").split()
    return any(
        word in {"index", "trigger"} and name.startswith("keyshop_")
        for word, name in pairwise(words[:3])
    )


def described_public() -> Blocks:
    """Return the contents of prisma_schema.txt in the form of `read_public`."""
    blocks: Blocks = {}
    heading = ""
    for line in _lines("prisma_schema.txt"):
        words = " ".join(line.split())
        if line.startswith(" "):
            blocks[heading].append(words)
        else:
            heading = words
            blocks[heading] = []
    return blocks


def described_additions() -> list[str]:
    """Return the lines of our_additions.txt."""
    return _lines("our_additions.txt")


def _lines(name: str) -> list[str]:
    text = (_HERE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
