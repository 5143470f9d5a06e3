"""Prisma goes on migrating the shop's tables while the API answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from structlog.testing import capture_logs

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.schema.describe import read_prisma_schema
from keyshop.schema.migrate import status
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, open_browser
from tests.factories.catalogue import stock_catalogue
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

# What an object of ours still prevents: a condition of the index keyshop_games_popular_idx, and foreign
# keys of the guests' baskets.
_HELD_COLUMNS = {("games", "inStock")}
_HELD_INDEXES = {"sessions_sessionId_key"}


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
                    if wider is None or (table.name, column.name) in _HELD_COLUMNS:
                        continue
                    await _try_and_undo(
                        prisma,
                        f'ALTER TABLE "{table.name}" ALTER COLUMN "{column.name}" DROP DEFAULT,'
                        f' ALTER COLUMN "{column.name}" SET DATA TYPE {wider}',
                    )


class TestIndexes:
    async def test_each_can_be_dropped_and_added_again(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            for table in _TABLES:
                for index in table.indexes:
                    if index.kind == "primary" or index.name in _HELD_INDEXES:
                        continue
                    found = await prisma.fetchval(
                        "SELECT pg_get_indexdef($1::regclass)", f'"{index.name}"'
                    )
                    await _try_and_undo(prisma, f'DROP INDEX "{index.name}"; {found}')


async def _try_and_undo(prisma: asyncpg.Connection, statements: str) -> None:
    transaction = prisma.transaction()
    await transaction.start()
    try:
        await prisma.execute(statements)
    finally:
        await transaction.rollback()
