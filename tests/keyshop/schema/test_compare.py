import asyncio

import asyncpg
import pytest

from keyshop.schema.attach import check
from keyshop.schema.compare import Difference, compare
from keyshop.schema.describe import describe_public, what_prisma_makes
from keyshop.schema.revisions import list_revisions, sql_of
from tests.keyshop.schema.prisma_database import as_role, describe_all, login
from tests.servers import Postgres, connected, copied_database

# What somebody may have done to Prisma's tables, and what is told of it.
STOPS = [
    ("DROP TABLE faqs", "faqs: is missing"),
    (
        "ALTER TABLE faqs RENAME TO f; CREATE VIEW faqs AS SELECT * FROM f",
        "faqs: is a view and must be a table",
    ),
    ("ALTER TABLE games DROP COLUMN region", "games.region: is missing"),
    (
        "ALTER TABLE games ALTER price TYPE numeric(12,2)",
        "games.price: is numeric(12,2), where Prisma makes numeric(10,2)",
    ),
    (
        'ALTER TABLE orders ALTER "createdAt" TYPE timestamptz(3)',
        "orders.createdAt: is timestamp(3) with time zone, where Prisma makes timestamp(3) without",
    ),
    (
        "ALTER TABLE users ALTER email DROP NOT NULL",
        "users.email: takes NULL, and Prisma's does not",
    ),
    (
        'ALTER TABLE articles ALTER "readTime" SET NOT NULL',
        "articles.readTime: refuses NULL, and Prisma's does not",
    ),
    (
        "ALTER TABLE users ALTER balance DROP DEFAULT",
        "users.balance: has the default nothing, where Prisma makes 0",
    ),
    (
        "ALTER TABLE games ALTER currency SET DEFAULT 'USD'",
        "games.currency: has the default 'USD'::text, where Prisma makes 'EUR'::text",
    ),
    (
        "ALTER TABLE games DROP region, ADD region TEXT GENERATED ALWAYS AS (slug) STORED",
        "games.region: is computed by PostgreSQL and cannot be written",
    ),
    (
        "ALTER TABLE articles ADD cached_shop TEXT NOT NULL",
        "articles.cached_shop: is one column more, which nobody fills",
    ),
    (
        """ALTER TYPE "OrderStatus" RENAME VALUE 'FAILED' TO 'BROKEN'""",
        'type "OrderStatus": has no label FAILED',
    ),
    ('ALTER TYPE "Role" RENAME TO "UserRole"', 'type "Role": is missing'),
    (
        "ALTER TABLE faqs DROP CONSTRAINT faqs_pkey",
        "faqs, index faqs_pkey: is missing: the primary key (id)",
    ),
    (
        "DROP INDEX users_email_key",
        "users, index users_email_key: is missing: (email) is not kept unique",
    ),
    (
        "DROP INDEX users_email_key; CREATE UNIQUE INDEX ON users (email) WHERE email <> ''",
        "users, index users_email_key: is missing: (email) is not kept unique",
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
    ("CREATE TABLE notes (id int)", "notes: is a table, none of Prisma's shop"),
    ("CREATE VIEW dear AS SELECT * FROM games", "dear: is a view, none of Prisma's shop"),
    ("CREATE TYPE mood AS ENUM ('GOOD')", 'type "mood": is no type of Prisma\'s shop'),
    ("ALTER TABLE games ADD cached_shop TEXT", "games.cached_shop: is one column more"),
    (
        "ALTER TABLE games ADD cached_shop TEXT NOT NULL DEFAULT ''",
        "games.cached_shop: is one column more",
    ),
    (
        "ALTER TYPE \"Role\" ADD VALUE 'MODERATOR'",
        'type "Role": has one more label, MODERATOR',
    ),
    (
        "ALTER TABLE users ALTER id SET DEFAULT gen_random_uuid()::text",
        "users.id: has the default (gen_random_uuid())::text, where Prisma makes none",
    ),
    (
        "ALTER TABLE users ALTER nickname SET DEFAULT 'Guest'",
        "users.nickname: has the default 'Guest'::text, where Prisma makes 'Newbie Guy'::text",
    ),
    (
        "DROP INDEX users_email_idx",
        "users, index users_email_idx: on (email) is missing (another index does the same)",
    ),
    (
        "DROP INDEX games_price_idx",
        "games, index games_price_idx: on (price) is missing (some reads are slower)",
    ),
    (
        "ALTER INDEX users_email_key RENAME TO one_address",
        "users, index users_email_key: is called one_address",
    ),
    ("CREATE INDEX by_author ON articles (author)", "articles, index by_author: is one index more"),
    (
        "CREATE UNIQUE INDEX one_title ON games (title)",
        "games, index one_title: keeps (title) unique, and may refuse what keyshop writes",
    ),
    (
        "ALTER TABLE games ADD CONSTRAINT not_free CHECK (price > 0)",
        "games, constraint not_free: is one condition more, and may refuse what keyshop writes",
    ),
    (
        'ALTER TABLE orders RENAME CONSTRAINT "orders_userId_fkey" TO whose',
        "orders, foreign key orders_userId_fkey: is called whose",
    ),
    (
        """CREATE TRIGGER mine BEFORE UPDATE ON games FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
        "games, trigger mine: runs on what keyshop writes, too",
    ),
]
_PRISMAS_OWN = "_prisma_migrations: is a table, Prisma's own"


class TestWhatPrismaMakes:
    async def test_is_what_the_first_revision_makes(self, postgres_server: Postgres) -> None:
        async with (
            copied_database(postgres_server, "template0") as url,
            connected(url) as connection,
        ):
            await connection.execute(sql_of(list_revisions()[0]))
            async with connection.transaction():
                assert await describe_public(connection) == what_prisma_makes()


async def differences_after(connection: asyncpg.Connection, change: str) -> list[Difference]:
    """Return what differs after the change, and undo it."""
    undone = connection.transaction()
    await undone.start()
    try:
        await connection.execute(change)
        return compare(await describe_public(connection), what_prisma_makes())
    finally:
        await undone.rollback()


class TestCompare:
    @pytest.mark.parametrize(("change", "told"), STOPS)
    async def test_tells_what_stops_keyshop(
        self, any_prisma: asyncpg.Connection, change: str, told: str
    ) -> None:
        found = await differences_after(any_prisma, change)

        assert [each for each in found if each.stops and str(each).startswith(told)], found

    @pytest.mark.parametrize(("change", "told"), HARMLESS)
    async def test_tells_what_is_harmless(
        self, any_prisma: asyncpg.Connection, change: str, told: str
    ) -> None:
        found = await differences_after(any_prisma, change)

        assert sorted(map(str, found)) == sorted([_PRISMAS_OWN, told])
        assert not any(each.stops for each in found)

    async def test_takes_what_means_the_same_for_the_same(
        self, any_prisma: asyncpg.Connection
    ) -> None:
        found = await differences_after(
            any_prisma, 'ALTER TABLE users ALTER "createdAt" SET DEFAULT now()'
        )

        assert [str(each) for each in found] == [_PRISMAS_OWN]

    async def test_sees_an_index_that_was_never_finished(
        self, any_prisma: asyncpg.Connection
    ) -> None:
        found = await differences_after(
            any_prisma,
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_email_key'::regclass",
        )

        told = "users, index users_email_key: is missing: (email) is not kept unique"
        assert told in [str(each) for each in found if each.stops]


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

    async def test_leaves_a_schema_of_our_name_alone(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await prisma.execute("CREATE SCHEMA keyshop")

        found = await asyncio.to_thread(check, prisma_url)

        assert [str(each) for each in found if each.stops] == [
            "schema keyshop: exists already; keyshop makes its own"
        ]
