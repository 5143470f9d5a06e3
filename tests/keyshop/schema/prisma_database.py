"""A database of a running shop on Prisma, and a complete description of a database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from keyshop.schema.revisions import list_revisions

# The table that `prisma migrate` keeps for itself.
_PRISMA_MIGRATIONS = """
    CREATE TABLE public._prisma_migrations (
        id VARCHAR(36) PRIMARY KEY NOT NULL,
        checksum VARCHAR(64) NOT NULL,
        finished_at TIMESTAMPTZ,
        migration_name VARCHAR(255) NOT NULL,
        logs TEXT,
        rolled_back_at TIMESTAMPTZ,
        started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        applied_steps_count INTEGER NOT NULL DEFAULT 0
    );
    INSERT INTO public._prisma_migrations (id, checksum, migration_name)
    VALUES ('m', 'c', '20240101000000_init');
"""

# Alice's balance equals the sum of her transactions; Bob's is 7.50 higher, and Carol's is -2.
DATA = """
    INSERT INTO users (id, email, "passwordHash", balance, "updatedAt") VALUES
        ('alice', 'alice@example.com', 'x', 8.50, now()),
        ('bob', 'bob@example.com', 'x', 17.50, now()),
        ('carol', 'carol@example.com', 'x', -2, now()),
        ('dave', 'dave@example.com', 'x', 0, now());
    INSERT INTO transactions (id, "userId", type, amount, status) VALUES
        ('t1', 'alice', 'TOP_UP', 10, 'COMPLETED'),
        ('t2', 'alice', 'PURCHASE', -1.50, 'COMPLETED'),
        ('t3', 'alice', 'TOP_UP', 99, 'PENDING'),
        ('t4', 'bob', 'TOP_UP', 10, 'COMPLETED'),
        ('t5', 'bob', 'TOP_UP', 5, 'FAILED');
    INSERT INTO games (id, title, slug, description, price, image, "releaseDate", "updatedAt")
        SELECT 'g' || n, 'Game ' || n, 'game-' || n, 'Words', n, '', now(), now()
        FROM generate_series(1, 200) AS n;
    INSERT INTO genres (id, name, slug) VALUES ('a', 'Action', 'action');
    INSERT INTO game_genres ("gameId", "genreId") SELECT id, 'a' FROM games;
    INSERT INTO orders (id, "userId", subtotal, total) VALUES ('o', 'alice', 1.5, 1.5);
    INSERT INTO order_items (id, "orderId", "gameId", price) VALUES ('i', 'o', 'g1', 1.5);
    INSERT INTO cart_items ("userId", "gameId") VALUES ('bob', 'g2');
"""

# All catalogue entries of the given schemas, by name and without OIDs.
_CATALOGUES = """
    SELECT concat_ws(' ', 'schema', nspname, nspacl::text, obj_description(oid, 'pg_namespace'))
    FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL
    SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relpersistence,
        c.relowner::regrole, c.relacl::text, c.reloptions::text, c.relrowsecurity,
        c.relreplident, c.reltablespace, obj_description(c.oid, 'pg_class'))
    FROM pg_class AS c WHERE c.relnamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attnum, a.attname,
        format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation,
        a.attstorage, a.attstattarget, a.attoptions::text, a.attacl::text, a.attisdropped,
        pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND c.relnamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered)
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
    WHERE c.relnamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid),
        convalidated)
    FROM pg_constraint WHERE connamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'trigger', t.tgrelid::regclass, t.tgname, t.tgenabled,
        pg_get_triggerdef(t.oid))
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'type', t.oid::regtype, t.typtype, t.typowner::regrole, t.typacl::text,
        (SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder)
            FROM pg_enum WHERE enumtypid = t.oid))
    FROM pg_type AS t WHERE t.typnamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'function', p.oid::regprocedure, md5(pg_get_functiondef(p.oid)))
    FROM pg_proc AS p WHERE p.pronamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'rule', r.rulename, pg_get_ruledef(r.oid))
    FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
    WHERE c.relnamespace::regnamespace::text = ANY($1)
    UNION ALL
    SELECT concat_ws(' ', 'default rights', defaclrole::regrole, defaclnamespace::regnamespace,
        defaclobjtype, defaclacl::text)
    FROM pg_default_acl
    UNION ALL
    SELECT concat_ws(' ', 'extension', extname, extversion) FROM pg_extension
    UNION ALL
    SELECT concat_ws(' ', 'event trigger', evtname) FROM pg_event_trigger
    UNION ALL
    SELECT concat_ws(' ', 'publication', pubname) FROM pg_publication
    UNION ALL
    SELECT concat_ws(' ', 'database', datname, datacl::text,
        (SELECT string_agg(setconfig::text, ' ') FROM pg_db_role_setting WHERE setdatabase = d.oid))
    FROM pg_database AS d WHERE datname = current_database()
    ORDER BY 1
"""


async def make_prisma_database(connection: asyncpg.Connection, *, owner: str | None = None) -> None:
    """Create Prisma's tables with rows; the tables belong to the role."""
    if owner:
        await connection.execute(f'SET ROLE "{owner}"')
    await connection.execute("SET search_path = public")
    await connection.execute(_sql_of_prisma_tables())
    await connection.execute(_PRISMA_MIGRATIONS)
    await connection.execute(DATA)
    await connection.execute("RESET ROLE; RESET search_path")


async def describe_all(
    connection: asyncpg.Connection, *schemas: str
) -> tuple[list[str], dict[str, list[str]]]:
    """Return all catalogue entries of these schemas, and every row of every table."""
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path = pg_catalog")
        catalogues = [line for (line,) in await connection.fetch(_CATALOGUES, list(schemas))]
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname = ANY($1)",
            list(schemas),
        )
        rows = {
            name: sorted(
                text for (text,) in await connection.fetch(f"SELECT t::text FROM {name} t")
            )
            for (name,) in tables
        }
    return catalogues, rows


def _sql_of_prisma_tables() -> str:
    file = f"migrations/versions/{list_revisions()[0].name}.sql"
    return files("keyshop").joinpath(file).read_text(encoding="utf-8")


@asynccontextmanager
async def login(connection: asyncpg.Connection) -> AsyncIterator[str]:
    """Create a role whose password is its name, and drop it at the end."""
    name = f"role_{uuid4().hex}"
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    try:
        yield name
    finally:
        await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def as_role(url: str, role: str) -> str:
    """Return the URL with this role."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{role}@{host}").geturl()
