"""Settings of a role or a database that are another application's."""

import uuid
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg import Record

from tests.servers import connected

HOSTILE: Final = {
    "search_path": '"$user", hostile, pg_temp, pg_catalog',
    "default_transaction_isolation": "'serializable'",
    "default_transaction_deferrable": "'on'",
    "datestyle": "'German, DMY'",
    "intervalstyle": "'iso_8601'",
    "timezone": "'Pacific/Kiritimati'",
    "bytea_output": "'escape'",
    "extra_float_digits": "'-10'",
    "standard_conforming_strings": "'off'",
    "transform_null_equals": "'on'",
    "quote_all_identifiers": "'on'",
    "array_nulls": "'off'",
    "row_security": "'off'",
    "gin_fuzzy_search_limit": "'1'",
    "plan_cache_mode": "'force_generic_plan'",
    "from_collapse_limit": "'1'",
    "join_collapse_limit": "'1'",
    "geqo_threshold": "'2'",
    "enable_bitmapscan": "'off'",
    "enable_hashagg": "'off'",
    "enable_hashjoin": "'off'",
    "enable_incremental_sort": "'off'",
    "enable_indexonlyscan": "'off'",
    "enable_indexscan": "'off'",
    "enable_material": "'off'",
    "enable_memoize": "'off'",
    "enable_mergejoin": "'off'",
    "enable_nestloop": "'off'",
    "enable_seqscan": "'off'",
    "enable_sort": "'off'",
    "enable_tidscan": "'off'",
    "jit": "'on'",
    "statement_timeout": "'150ms'",
    "lock_timeout": "'1ms'",
    "idle_in_transaction_session_timeout": "'1ms'",
    "idle_session_timeout": "'50ms'",
}
_SINCE_17: Final = {"transaction_timeout": "'150ms'"}

# The names of all tables of the shop, and of functions that its statements call.
_TAKE_NAMES: Final = """
    DO $do$
    DECLARE taken text;
    BEGIN
        FOR taken IN
            SELECT DISTINCT tablename FROM pg_catalog.pg_tables
            WHERE schemaname IN ('public', 'keyshop')
        LOOP
            EXECUTE pg_catalog.format('CREATE TABLE {schema}.%I (nothing int)', taken);
        END LOOP;
    END $do$;
    CREATE FUNCTION {schema}.now() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT timestamptz '1999-01-01' $$;
    CREATE FUNCTION {schema}.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'hostile' $$;
    GRANT ALL ON SCHEMA {schema} TO PUBLIC;
    GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO PUBLIC;
"""


async def make_database_hostile(
    admin: "asyncpg.Connection[Record]", *, isolation: str = "serializable"
) -> None:
    """Give the connection's database hostile settings, and a schema that takes the shop's names."""
    database = await admin.fetchval("SELECT current_database()")
    await _make_hostile(admin, f'DATABASE "{database}"', schema="hostile", isolation=isolation)


async def make_hostile_role(
    admin: "asyncpg.Connection[Record]",
    name: str,
    *,
    isolation: str = "serializable",
    without: Container[str] = (),
) -> None:
    """
    Make a role with the rights of the connection's, its password `hostile` and hostile settings.

    A schema has its name, in which the names of the shop's tables are taken.
    """
    owner = await admin.fetchval("SELECT current_user")
    await admin.execute(f"""CREATE ROLE "{name}" LOGIN PASSWORD 'hostile' IN ROLE "{owner}" """)
    await _make_hostile(
        admin, f'ROLE "{name}"', schema=f'"{name}"', isolation=isolation, without=without
    )


@asynccontextmanager
async def hostile_role(
    database_url: str, *, isolation: str = "serializable", without: Container[str] = ()
) -> AsyncIterator[str]:
    """Make a hostile role for the length of a block; yield the database's address with it."""
    name = f"hostile_{uuid.uuid4().hex}"
    async with connected(database_url) as admin:
        await make_hostile_role(admin, name, isolation=isolation, without=without)
        try:
            yield with_role(database_url, name)
        finally:
            await admin.execute(f'DROP SCHEMA "{name}" CASCADE')
            await admin.execute(f'REASSIGN OWNED BY "{name}" TO CURRENT_USER')
            await admin.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@asynccontextmanager
async def powerless_role(database_url: str, grants: str = "") -> AsyncIterator[str]:
    """
    Make a role with no rights but those that `grants` gives to `{role}`, for the length of a block.

    Yields the database's address with it.
    """
    name = f"powerless_{uuid.uuid4().hex}"
    async with connected(database_url) as admin:
        await admin.execute(
            f"CREATE ROLE {name} LOGIN PASSWORD 'hostile'; {grants.format(role=name)}"
        )
        try:
            yield with_role(database_url, name)
        finally:
            await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def with_role(database_url: str, name: str) -> str:
    """Return the address with the login of a hostile role."""
    parts = urlsplit(database_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:hostile@{address}"))


async def _make_hostile(
    admin: "asyncpg.Connection[Record]",
    whose: str,
    *,
    schema: str,
    isolation: str,
    without: Container[str] = (),
) -> None:
    await admin.execute(f"CREATE SCHEMA {schema}")
    await admin.execute(_TAKE_NAMES.format(schema=schema))
    settings = HOSTILE | {"default_transaction_isolation": f"'{isolation}'"}
    if admin.get_server_version().major >= 17:
        settings |= _SINCE_17
    for setting in [name for name in settings if name not in without]:
        value = settings[setting]
        await admin.execute(f"ALTER {whose} SET {setting} = {value}")
