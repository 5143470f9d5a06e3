import asyncio

import asyncpg
import pytest

from keyshop.schema.attach import check
from keyshop.schema.compare import Difference, compare
from keyshop.schema.describe import describe_public, read_prisma_schema
from keyshop.schema.revisions import list_revisions, sql_of
from tests.keyshop.schema.prisma_database import as_role, describe_all, login
from tests.servers import Postgres, connected, copied_database

# Changes to Prisma's tables, with the difference that each one is reported as.
STOPS = [
    ("DROP TABLE faqs", "faqs: is missing"),
    (
        "ALTER TABLE faqs RENAME TO f; CREATE VIEW faqs AS SELECT * FROM f",
        "faqs: is a view and must be a table",
    ),
    ("ALTER TABLE games DROP COLUMN region", "games.region: is missing"),
    (
        "ALTER TABLE games ALTER price TYPE numeric(12,2)",
        "games.price: is numeric(12,2); Prisma makes numeric(10,2)",
    ),
    (
        'ALTER TABLE orders ALTER "createdAt" TYPE timestamptz(3)',
        "orders.createdAt: is timestamp(3) with time zone; Prisma makes timestamp(3) without",
    ),
    (
        "ALTER TABLE users ALTER email DROP NOT NULL",
        "users.email: allows NULL; Prisma's does not",
    ),
    (
        'ALTER TABLE articles ALTER "readTime" SET NOT NULL',
        "articles.readTime: does not allow NULL; Prisma's does",
    ),
    (
        "ALTER TABLE users ALTER balance DROP DEFAULT",
        "users.balance: has no default; Prisma makes the default 0",
    ),
    (
        "ALTER TABLE games ALTER currency SET DEFAULT 'USD'",
        "games.currency: has the default 'USD'::text; Prisma makes the default 'EUR'::text",
    ),
    (
        "ALTER TABLE games DROP region, ADD region TEXT GENERATED ALWAYS AS (slug) STORED",
        "games.region: is a generated column and cannot be written",
    ),
    (
        "ALTER TABLE articles ADD cached_shop TEXT NOT NULL",
        "articles.cached_shop: is an additional required column without a default",
    ),
    (
        """ALTER TYPE "OrderStatus" RENAME VALUE 'FAILED' TO 'BROKEN'""",
        'type "OrderStatus": has no label FAILED',
    ),
    ('ALTER TYPE "Role" RENAME TO "UserRole"', 'type "Role": is missing'),
    (
        "ALTER TABLE faqs DROP CONSTRAINT faqs_pkey",
        "faqs, index faqs_pkey: is missing: it is the primary key (id)",
    ),
    (
        "DROP INDEX users_email_key",
        "users, index users_email_key: is missing, so (email) is not unique",
    ),
    (
        "DROP INDEX users_email_key; CREATE UNIQUE INDEX ON users (email) WHERE email <> ''",
        "users, index users_email_key: is missing, so (email) is not unique",
    ),
    (
        'ALTER TABLE orders DROP CONSTRAINT "orders_userId_fkey"',
        "orders, foreign key orders_userId_fkey: is missing: FOREIGN KEY",
    ),
    (
        """ALTER TABLE orders DROP CONSTRAINT "orders_userId_fkey", ADD CONSTRAINT
            "orders_userId_fkey" FOREIGN KEY ("userId") REFERENCES users (id)""",
        "orders, foreign key orders_userId_fkey: is FOREIGN KEY",
    ),
]
HARMLESS = [
    ("CREATE TABLE notes (id int)", "notes: is a table that Prisma does not make"),
    ("CREATE VIEW dear AS SELECT * FROM games", "dear: is a view that Prisma does not make"),
    ("CREATE TYPE mood AS ENUM ('GOOD')", 'type "mood": is a type that Prisma does not make'),
    ("ALTER TABLE games ADD cached_shop TEXT", "games.cached_shop: is an additional column"),
    (
        "ALTER TABLE games ADD cached_shop TEXT NOT NULL DEFAULT ''",
        "games.cached_shop: is an additional column",
    ),
    (
        "ALTER TYPE \"Role\" ADD VALUE 'MODERATOR'",
        'type "Role": has an additional label, MODERATOR',
    ),
    (
        "ALTER TABLE users ALTER id SET DEFAULT gen_random_uuid()::text",
        "users.id: has the default (gen_random_uuid())::text; Prisma makes no default",
    ),
    (
        "ALTER TABLE users ALTER nickname SET DEFAULT 'Guest'",
        "users.nickname: has the default 'Guest'::text; Prisma makes the default 'Newbie Guy'::text",
    ),
    (
        "DROP INDEX users_email_idx",
        "users, index users_email_idx: on (email) is missing (another index serves the same reads)",
    ),
    (
        "DROP INDEX games_price_idx",
        "games, index games_price_idx: on (price) is missing (some reads are slower)",
    ),
    (
        "ALTER INDEX users_email_key RENAME TO one_address",
        "users, index users_email_key: is named one_address",
    ),
    (
        "CREATE INDEX by_author ON articles (author)",
        "articles, index by_author: is an additional index",
    ),
    (
        "CREATE UNIQUE INDEX one_title ON games (title)",
        "games, index one_title: is an additional unique index on (title), which may refuse keyshop's writes",
    ),
    (
        "ALTER TABLE games ADD CONSTRAINT not_free CHECK (price > 0)",
        "games, constraint not_free: is an additional constraint, which may refuse keyshop's writes",
    ),
    (
        'ALTER TABLE orders RENAME CONSTRAINT "orders_userId_fkey" TO whose',
        "orders, foreign key orders_userId_fkey: is named whose",
    ),
    (
        """CREATE TRIGGER mine BEFORE UPDATE ON games FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
        "games, trigger mine: also fires on keyshop's writes",
    ),
]
_PRISMA_MIGRATIONS = "_prisma_migrations: is a table that Prisma keeps for itself"


class TestPrismaSchema:
    async def test_describes_what_the_first_revision_makes(self, postgres_server: Postgres) -> None:
        async with (
            copied_database(postgres_server, "template0") as url,
            connected(url) as connection,
        ):
            await connection.execute(sql_of(list_revisions()[0]))
            async with connection.transaction():
                assert await describe_public(connection) == read_prisma_schema()


async def differences_after(connection: asyncpg.Connection, change: str) -> list[Difference]:
    """Return what differs after the change, and undo it."""
    undone = connection.transaction()
    await undone.start()
    try:
        await connection.execute(change)
        return compare(await describe_public(connection), read_prisma_schema())
    finally:
        await undone.rollback()


class TestCompare:
    @pytest.mark.parametrize(("change", "difference"), STOPS)
    async def test_reports_what_stops_keyshop(
        self, shared_prisma: asyncpg.Connection, change: str, difference: str
    ) -> None:
        found = await differences_after(shared_prisma, change)

        assert [each for each in found if each.stops and str(each).startswith(difference)], found

    @pytest.mark.parametrize(("change", "difference"), HARMLESS)
    async def test_reports_what_is_harmless(
        self, shared_prisma: asyncpg.Connection, change: str, difference: str
    ) -> None:
        found = await differences_after(shared_prisma, change)

        assert sorted(map(str, found)) == sorted([_PRISMA_MIGRATIONS, difference])
        assert not any(each.stops for each in found)

    async def test_treats_equivalent_defaults_as_equal(
        self, shared_prisma: asyncpg.Connection
    ) -> None:
        found = await differences_after(
            shared_prisma, 'ALTER TABLE users ALTER "createdAt" SET DEFAULT now()'
        )

        assert [str(each) for each in found] == [_PRISMA_MIGRATIONS]

    async def test_treats_an_invalid_index_as_missing(
        self, shared_prisma: asyncpg.Connection
    ) -> None:
        found = await differences_after(
            shared_prisma,
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_email_key'::regclass",
        )

        difference = "users, index users_email_key: is missing, so (email) is not unique"
        assert difference in [str(each) for each in found if each.stops]


class TestCheck:
    async def test_lists_what_stops_keyshop_first(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await prisma.execute(
            "DROP TABLE faqs; CREATE TABLE aaa (id int); DROP INDEX games_slug_key"
        )

        found = await asyncio.to_thread(check, prisma_url)

        assert [each.stops for each in found] == [True, True, False, False]

    async def test_changes_nothing(self, prisma: asyncpg.Connection, prisma_url: str) -> None:
        before = await describe_all(prisma, "public")

        await asyncio.to_thread(check, prisma_url)

        assert await describe_all(prisma, "public") == before

    async def test_needs_a_role_that_owns_the_tables(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        async with login(prisma) as other:
            found = await asyncio.to_thread(check, as_role(prisma_url, other))

        stopping = [str(each) for each in found if each.stops]
        assert any("games: belongs to role" in each for each in stopping)
        assert any("may not create a schema" in each for each in stopping)

    async def test_refuses_a_schema_keyshop_that_exists_already(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await prisma.execute("CREATE SCHEMA keyshop")

        found = await asyncio.to_thread(check, prisma_url)

        assert [str(each) for each in found if each.stops] == [
            "schema keyshop: exists already; keyshop creates its own"
        ]
