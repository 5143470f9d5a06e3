"""Labels that Prisma's application has added to its enums, and that keyshop does not know."""

from collections.abc import AsyncIterator

import pytest_asyncio

from keyshop.accounts import queries
from keyshop.accounts.export_user import export_user
from keyshop.accounts.models import Role
from keyshop.accounts.set_role import set_role
from keyshop.accounts.show_user import show_user
from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, open_browser
from tests.keyshop.entrypoints.api.conftest import office
from tests.servers import copied_database

LABELS = {
    "Role": "MODERATOR",
    "OrderStatus": "ON_HOLD",
    "PaymentStatus": "DISPUTED",
    "TransactionType": "CASHBACK",
}


@pytest_asyncio.fixture
async def evolved(
    postgres_server: PostgresServer, template_database: str
) -> AsyncIterator[Database]:
    """A database in which each enum has one more label."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        for enum, label in LABELS.items():
            async with database.transaction() as tx:
                await tx.execute(f"ALTER TYPE public.\"{enum}\" ADD VALUE '{label}'")
        yield database
        await database.close()


@pytest_asyncio.fixture
async def alice(evolved: Database) -> AsyncIterator[Person]:
    """A customer of that shop."""
    async with open_browser(make_app(evolved, extra_routes=[office])) as person:
        await person.register()
        yield person


async def give_role(db: Database, alice: Person) -> None:
    async with db.transaction() as tx:
        await tx.execute("UPDATE users SET role = 'MODERATOR' WHERE id = $1", alice.id)


class TestUnknownRole:
    async def test_signs_in_with_the_rights_of_a_customer(self, evolved: Database, alice: Person):
        await give_role(evolved, alice)

        signed_in = await alice.sign_in(alice.email)

        assert signed_in["user"]["role"] == "MODERATOR"
        for path in ("/api/auth/me", "/api/user/profile"):
            assert (await alice.get(path))["role"] == "MODERATOR"
        for path in ("/api/cart", "/api/wishlist", "/api/user/stats", "/api/user/balance"):
            await alice.get(path)
        await alice.do("POST", "/api/auth/refresh", {"refreshToken": alice.refresh_token})
        await alice.do("PUT", "/api/user/profile", {"nickname": "Ally"})
        assert (await alice.request("GET", "/tests/office")).status_code == 403

    async def test_is_shown_to_operators_and_replaced_by_them(
        self, evolved: Database, alice: Person
    ):
        await give_role(evolved, alice)

        async with evolved.read() as reader:
            account = await queries.find_account_by_id(reader, alice.id)
            assert account is not None
            shown = await show_user(reader, account, now=utc_now())
        assert shown.role == "MODERATOR"
        async with evolved.transaction() as tx:
            assert await set_role(tx, user_id=alice.id, role=Role.USER, by="olga", now=utc_now())
        assert (await alice.sign_in(alice.email))["user"]["role"] == "USER"


class TestUnknownStates:
    async def test_are_exported_as_they_are_and_count_for_nothing(
        self, evolved: Database, alice: Person
    ):
        before = await alice.get("/api/user/stats"), await alice.get("/api/user/balance")
        async with evolved.transaction() as tx:
            await tx.execute(
                """
                WITH placed AS (
                    INSERT INTO orders (id, "userId", status, subtotal, total, "paymentStatus")
                    VALUES ($1, $2, 'ON_HOLD', 9, 9, 'DISPUTED') RETURNING id, "userId"
                )
                INSERT INTO transactions (id, "userId", "orderId", type, amount, status)
                SELECT $3, "userId", id, 'CASHBACK', 9, 'DISPUTED' FROM placed
                """,
                new_id(), alice.id, new_id(),
            )  # fmt: skip

        async with evolved.transaction() as tx:
            raw = await export_user(tx, user_id=alice.id, by="olga", now=utc_now())
        export = bytes(raw).decode()

        for label in ("ON_HOLD", "DISPUTED", "CASHBACK"):
            assert label in export
        assert (await alice.get("/api/user/stats"), await alice.get("/api/user/balance")) == before
        assert (await alice.get("/api/auth/me"))["stats"]["gamesPurchased"] == 0
