"""Prisma goes on migrating the shop's tables while the API answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from structlog.testing import capture_logs

from keyshop.kit.cache.control import read_control
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.schema.describe import read_prisma_schema
from keyshop.schema.migrate import status
from keyshop.schema.watch import check_schema
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, open_browser
from tests.factories.catalogue import stock_catalogue
from tests.keyshop.schema.prisma_database import DATA
from tests.servers import connected

_TABLES = read_prisma_schema().tables
_PATHS = [
    "/api/games?pageSize=5&sort=popular",
    "/api/games/genres",
    "/api/games/search?q=iron",
    "/api/games/best-sellers",
    "/api/cart",
    "/api/wishlist",
    "/api/auth/me",
]

# As `prisma migrate diff` writes it where a label is added to or removed from an enum.
_ENUMS = {
    "Role": """
        BEGIN;
        CREATE TYPE "Role_new" AS ENUM ('USER', 'ADMIN', 'MODERATOR');
        ALTER TABLE "users" ALTER COLUMN "role" DROP DEFAULT;
        ALTER TABLE "users" ALTER COLUMN "role" TYPE "Role_new" USING ("role"::text::"Role_new");
        ALTER TYPE "Role" RENAME TO "Role_old";
        ALTER TYPE "Role_new" RENAME TO "Role";
        DROP TYPE "Role_old";
        ALTER TABLE "users" ALTER COLUMN "role" SET DEFAULT 'USER';
        COMMIT;
    """,
    "OrderStatus": """
        BEGIN;
        CREATE TYPE "OrderStatus_new" AS ENUM ('PENDING', 'COMPLETED', 'FAILED');
        ALTER TABLE "orders" ALTER COLUMN "status" DROP DEFAULT;
        ALTER TABLE "orders" ALTER COLUMN "status" TYPE "OrderStatus_new"
            USING ("status"::text::"OrderStatus_new");
        ALTER TYPE "OrderStatus" RENAME TO "OrderStatus_old";
        ALTER TYPE "OrderStatus_new" RENAME TO "OrderStatus";
        DROP TYPE "OrderStatus_old";
        ALTER TABLE "orders" ALTER COLUMN "status" SET DEFAULT 'PENDING';
        COMMIT;
    """,
    "PaymentStatus": """
        BEGIN;
        CREATE TYPE "PaymentStatus_new" AS ENUM ('PENDING', 'COMPLETED', 'FAILED', 'HELD');
        ALTER TABLE "orders" ALTER COLUMN "paymentStatus" TYPE "PaymentStatus_new"
            USING ("paymentStatus"::text::"PaymentStatus_new");
        ALTER TABLE "transactions" ALTER COLUMN "status" TYPE "PaymentStatus_new"
            USING ("status"::text::"PaymentStatus_new");
        ALTER TYPE "PaymentStatus" RENAME TO "PaymentStatus_old";
        ALTER TYPE "PaymentStatus_new" RENAME TO "PaymentStatus";
        DROP TYPE "PaymentStatus_old";
        COMMIT;
    """,
    "TransactionType": """
        BEGIN;
        CREATE TYPE "TransactionType_new" AS ENUM ('TOP_UP', 'PURCHASE');
        ALTER TABLE "transactions" ALTER COLUMN "type" TYPE "TransactionType_new"
            USING ("type"::text::"TransactionType_new");
        ALTER TYPE "TransactionType" RENAME TO "TransactionType_old";
        ALTER TYPE "TransactionType_new" RENAME TO "TransactionType";
        DROP TYPE "TransactionType_old";
        COMMIT;
    """,
}

_WIDER = {
    "text": "VARCHAR(4000)",
    "text[]": "VARCHAR(4000)[]",
    "integer": "BIGINT",
    "smallint": "INTEGER",
    "boolean": "TEXT",
    "jsonb": "JSON",
    "numeric(10,2)": "DECIMAL(12,2)",
    "numeric(5,2)": "DECIMAL(12,2)",
    "numeric(3,2)": "DECIMAL(12,2)",
    "timestamp(3) without time zone": "TIMESTAMPTZ(3)",
}


# Constraints, columns' defaults and the like of Prisma's tables depend on one another; ours may not.
_HELD = """
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS ours,
        pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS theirs
    FROM pg_depend AS d,
        LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS ours,
        LATERAL pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) AS theirs
    WHERE d.deptype = 'n' AND ours.schema = 'keyshop' AND theirs.schema = 'public'
    UNION ALL
    SELECT t.tgname, c.relname
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE t.tgname LIKE 'keyshop%' AND c.relnamespace = 'public'::regnamespace
        AND (t.tgattr <> '' OR t.tgqual IS NOT NULL)
"""

_MORE_ROWS = """
    INSERT INTO platforms (id, name, slug) VALUES ('p', 'Steam', 'steam');
    INSERT INTO game_platforms ("gameId", "platformId") VALUES ('g1', 'p');
    INSERT INTO tags (id, name, slug) VALUES ('t', 'Robots', 'robots');
    INSERT INTO game_tags ("gameId", "tagId") VALUES ('g1', 't');
    INSERT INTO categories (id, name, slug) VALUES ('c', 'Games', 'games');
    INSERT INTO game_categories ("gameId", "categoryId") VALUES ('g1', 'c');
    INSERT INTO wishlist ("userId", "gameId") VALUES ('bob', 'g2');
    INSERT INTO game_keys (id, "gameId", key, "orderId") VALUES ('k', 'g1', 'AAA', 'o');
    INSERT INTO sessions (id, "sessionId", data, "expiresAt") VALUES ('s', 'guest', '{}', now());
    INSERT INTO keyshop.guest_cart_items (session_id, game_id, quantity, added_at)
        VALUES ('guest', 'g1', 1, now());
    INSERT INTO keyshop.token_families (id, user_id, account_state, created_at, expires_at)
        SELECT id, id, '', now(), now() FROM users WHERE id IN ('alice', 'bob');
"""


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = Database(url, guard=RedisCommitGuard(None))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _customer(url: str) -> AsyncIterator[Person]:
    """A customer of a stocked shop."""
    async with _database(url) as database:
        await stock_catalogue(database)
        async with open_browser(make_app(database)) as person:
            await person.register()
            yield person


class TestEnums:
    async def test_each_can_be_recreated_and_the_shop_reads_on(self, database_url: str) -> None:
        async with _customer(database_url) as customer, connected(database_url) as prisma:
            for statements in _ENUMS.values():
                await prisma.execute(statements)
            email = customer.email

        async with (
            _database(database_url) as database,
            open_browser(make_app(database)) as customer,
        ):
            await customer.sign_in(email)
            for path in _PATHS:
                await customer.get(path)

    async def test_every_enum_of_the_shop_is_among_them(self) -> None:
        assert {enum.name for enum in read_prisma_schema().enums} == set(_ENUMS)


class TestColumns:
    async def test_a_missing_one_is_told_and_never_an_internal_error(
        self, database_url: str
    ) -> None:
        refused = set()
        async with _customer(database_url) as customer, connected(database_url) as prisma:
            for table in _TABLES:
                for column in table.columns:
                    await prisma.execute(
                        f'ALTER TABLE "{table.name}" RENAME COLUMN "{column.name}" TO "gone"'
                    )
                    answers = [await customer.request("GET", path) for path in _PATHS]
                    await prisma.execute(
                        f'ALTER TABLE "{table.name}" RENAME COLUMN "gone" TO "{column.name}"'
                    )
                    assert {each.status_code for each in answers} <= {200, 503}
                    if any(each.status_code == 503 for each in answers):
                        refused.add(f"{table.name}.{column.name}")

        assert refused >= {"games.price", "users.role", "cart_items.quantity", "genres.name"}

    async def test_a_missing_one_is_logged_once_as_an_error(self, database_url: str) -> None:
        async with _customer(database_url) as customer, connected(database_url) as prisma:
            await prisma.execute('ALTER TABLE wishlist RENAME COLUMN "gameId" TO "productId"')
            with capture_logs() as logs:
                answers = [await customer.request("GET", "/api/wishlist") for _ in range(3)]

        assert {answer.status_code for answer in answers} == {503}
        assert "is being changed" in message_of(answers[0])
        errors = [line for line in logs if line["event"] == "database.schema_changed"]
        assert len(errors) <= 1
        assert all("gameId" in line["reason"] for line in errors)

    async def test_db_status_names_missing_tables_and_columns(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            await prisma.execute("ALTER TABLE users RENAME COLUMN nickname TO nick")
            await prisma.execute("ALTER TABLE wishlist RENAME TO wishes")

        found = await asyncio.to_thread(status, database_url)

        assert found.missing == ["public.users.nickname", "public.wishlist"]

    async def test_each_can_be_retyped(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            for table in _TABLES:
                for column in table.columns:
                    wider = _WIDER.get(column.type)
                    if wider is None:
                        continue
                    await _try_and_undo(
                        prisma,
                        f'ALTER TABLE "{table.name}" ALTER COLUMN "{column.name}" DROP DEFAULT,'
                        f' ALTER COLUMN "{column.name}" SET DATA TYPE {wider}',
                    )

    @pytest.mark.slow
    async def test_of_another_type_is_never_an_internal_error(self, database_url: str) -> None:
        async with _customer(database_url) as customer, connected(database_url) as prisma:
            for table in _TABLES:
                for column in table.columns:
                    name, wider = column.name, _WIDER.get(column.type)
                    if wider is None:
                        continue
                    retype = f'ALTER TABLE "{table.name}" ALTER COLUMN "{name}"'
                    await prisma.execute(f"{retype} DROP DEFAULT")
                    await prisma.execute(f"{retype} SET DATA TYPE {wider}")
                    answers = [await customer.request("GET", path) for path in _PATHS]
                    await prisma.execute(
                        f'{retype} SET DATA TYPE {column.type} USING "{name}"::{column.type}'
                    )
                    assert {each.status_code for each in answers} <= {200, 503}, name


class TestIndexes:
    async def test_each_can_be_dropped_and_added_again(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            for table in _TABLES:
                for index in table.indexes:
                    if index.kind == "primary":
                        continue
                    found = await prisma.fetchval(
                        "SELECT pg_get_indexdef($1::regclass)", f'"{index.name}"'
                    )
                    await _try_and_undo(prisma, f'DROP INDEX "{index.name}"; {found}')


class TestPrimaryKeys:
    async def test_each_can_be_dropped_and_added_again(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            for table in _TABLES:
                key = next(index for index in table.indexes if index.kind == "primary")
                columns = key.definition.removeprefix("btree ")
                # Prisma's own foreign keys refer to it, and are dropped first.
                own = [
                    (other.name, each.name, each.definition)
                    for other in _TABLES
                    for each in other.constraints
                    if f" REFERENCES public.{table.name}(" in each.definition
                ]
                dropped = [f'ALTER TABLE "{name}" DROP CONSTRAINT "{key}"' for name, key, _ in own]
                added = [
                    f'ALTER TABLE "{name}" ADD CONSTRAINT "{key}" {definition}'
                    for name, key, definition in own
                ]
                changed = (
                    f'ALTER TABLE "{table.name}" DROP CONSTRAINT "{key.name}",'
                    f' ADD CONSTRAINT "{key.name}" PRIMARY KEY {columns}'
                )
                await _try_and_undo(prisma, "; ".join([*dropped, changed, *added]))


class TestOurObjects:
    async def test_hold_nothing_of_prismas(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            held = await prisma.fetch(_HELD)

        assert held == []


class TestWrites:
    """Prisma writes on while its migration is half done: whatever column is gone, or has another type."""

    @pytest.fixture
    async def prisma(self, database_url: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection to a shop with a row in every table that triggers read."""
        async with connected(database_url) as connection:
            await connection.execute(DATA + _MORE_ROWS)
            yield connection

    async def test_succeed_while_a_column_is_missing(self, prisma: asyncpg.Connection) -> None:
        for table in _TABLES:
            for column in table.columns:
                rename = f'ALTER TABLE "{table.name}" RENAME COLUMN "{column.name}" TO "gone";'
                await _try_and_undo(prisma, rename + _writes(table.name, "gone"))

    async def test_succeed_while_a_column_has_another_type(
        self, prisma: asyncpg.Connection
    ) -> None:
        for table in _TABLES:
            for column in table.columns:
                wider = _WIDER.get(column.type, "TEXT")
                change = f'ALTER COLUMN "{column.name}" DROP DEFAULT, ALTER COLUMN "{column.name}"'
                await _try_and_undo(
                    prisma,
                    f'ALTER TABLE "{table.name}" {change} SET DATA TYPE {wider};'
                    + _writes(table.name, column.name),
                )

    async def test_succeed_with_values_that_the_search_cannot_hold(
        self, prisma: asyncpg.Connection
    ) -> None:
        for change in (
            """ALTER TABLE games ALTER COLUMN price SET DATA TYPE DECIMAL(20,2);
               UPDATE games SET price = 1e15""",
            """ALTER TABLE games ALTER COLUMN "releaseDate" DROP NOT NULL;
               UPDATE games SET "releaseDate" = NULL""",
        ):
            await _try_and_undo(prisma, change)

    async def test_invalidate_all_that_the_table_is_part_of(
        self, prisma: asyncpg.Connection
    ) -> None:
        await prisma.execute("DELETE FROM keyshop.cache_outbox")
        await prisma.execute("ALTER TABLE games RENAME COLUMN title TO name")
        await prisma.execute("UPDATE games SET name = 'Other' WHERE id = 'g1'")

        groups = await prisma.fetchval("SELECT groups FROM keyshop.cache_outbox")
        assert set(groups) == {"games", "home", "catalog", "prices", "titles"}

    async def test_to_accounts_end_their_sessions(self, prisma: asyncpg.Connection) -> None:
        await prisma.execute('ALTER TABLE users RENAME COLUMN "passwordHash" TO hash')
        await prisma.execute("UPDATE users SET hash = 'stolen' WHERE id = 'alice'")

        live = "SELECT user_id FROM keyshop.token_families WHERE revoked_at IS NULL"
        assert [row["user_id"] for row in await prisma.fetch(live)] == ["bob"]

    async def test_are_followed_when_the_column_is_back(self, prisma: asyncpg.Connection) -> None:
        await prisma.execute("ALTER TABLE games RENAME COLUMN title TO name")
        await prisma.execute("UPDATE games SET name = 'Better' WHERE id = 'g1'")
        await prisma.execute('ALTER TABLE sessions RENAME COLUMN "sessionId" TO "sid"')
        await prisma.execute("DELETE FROM sessions")
        await check_schema(prisma)
        blocked = await read_control(prisma)

        await prisma.execute("ALTER TABLE games RENAME COLUMN name TO title")
        await prisma.execute('ALTER TABLE sessions RENAME COLUMN "sid" TO "sessionId"')
        with capture_logs() as logs:
            await check_schema(prisma)

        assert "public.games, public.sessions" in str(blocked.blocked)
        assert (await read_control(prisma)).blocked is None
        assert logs[0]["event"] == "schema.changes_followed"
        names = "SELECT names FROM keyshop.game_facets WHERE game_id = 'g1'"
        assert "better" in await prisma.fetchval(names)
        assert await prisma.fetchval("SELECT count(*) FROM keyshop.game_facets") == 200
        assert await prisma.fetchval("SELECT count(*) FROM keyshop.guest_cart_items") == 0
        assert await prisma.fetchval("SELECT count(*) FROM keyshop.missed_changes") == 0

    async def test_keep_the_cache_closed_while_they_cannot_be_followed(
        self, prisma: asyncpg.Connection
    ) -> None:
        await prisma.execute("ALTER TABLE games ALTER COLUMN price SET DATA TYPE TEXT")
        await prisma.execute("UPDATE games SET price = 'a lot' WHERE id = 'g1'")
        await check_schema(prisma)

        assert "public.games" in str((await read_control(prisma)).blocked)


def _writes(table: str, column: str) -> str:
    """Return statements that fire every trigger of the table, with rows where it has any."""
    return f"""
        UPDATE "{table}" SET "{column}" = "{column}";
        INSERT INTO "{table}" SELECT * FROM "{table}" WHERE false;
        {"DELETE FROM order_items;" if table == "games" else ""}
        DELETE FROM "{table}";
    """


async def _try_and_undo(prisma: asyncpg.Connection, statements: str) -> None:
    transaction = prisma.transaction()
    await transaction.start()
    try:
        await prisma.execute(statements)
    finally:
        await transaction.rollback()
