"""The demo accounts, and the shops that never get them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from keyshop.accounts.addresses import normalise
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.models import Role
from keyshop.accounts.queries import add_account, find_account
from keyshop.assembly import Shop, open_shop
from keyshop.entrypoints.cli.demo import (
    DEMO_ACCOUNTS,
    DEMO_PASSWORD,
    list_demo_accounts,
    make_demo_accounts,
    warn_of_network,
)
from keyshop.kit.database.pool import Database
from keyshop.promotions.check_promo import check_promo
from keyshop.servers import Servers
from tests.keyshop.test_settings import PRODUCTION, load_from

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_BOTH = ["alice@example.com", "admin@example.com"]


@asynccontextmanager
async def opened(folder: Path, database_url: str, **variables: str) -> AsyncIterator[Shop]:
    settings = load_from(folder, **{"KEYSHOP_HOME": str(folder), **variables})
    async with open_shop(settings, Servers(database_url=database_url, redis_url=None)) as shop:
        yield shop


async def add_customer(db: Database, email: str) -> None:
    async with db.transaction() as tx:
        await add_account(
            tx, email=normalise(email), password_hash="none", nickname="A customer", now=NOON
        )


async def count_users(db: Database) -> int:
    async with db.read() as reader:
        number: int = await reader.fetchval("SELECT count(*) FROM users")
        return number


class TestDemoAccounts:
    async def test_are_a_customer_with_money_and_an_administrator(
        self, tmp_path: Path, db: Database, database_url: str
    ):
        async with opened(tmp_path, database_url) as shop:
            await make_demo_accounts(shop, now=NOON)

            assert [each.email for each in await list_demo_accounts(shop)] == _BOTH
            async with db.read() as reader:
                alice = await find_account(reader, normalise("alice@example.com"))
                admin = await find_account(reader, normalise("admin@example.com"))
                booked = await reader.fetch(
                    'SELECT "userId", type, amount, currency, status FROM transactions'
                )
                balances = await reader.fetch("SELECT email, balance FROM users ORDER BY email")
                promo = await check_promo(reader, "gkeys10", now=NOON + timedelta(days=365))
            assert promo.percent == 10
            assert alice is not None
            assert admin is not None
            assert (alice.role, admin.role) == (Role.USER, Role.ADMIN)
            for account in (alice, admin):
                hashed = account.password_hash.reveal()
                assert await shop.accounts.passwords.verify(DEMO_PASSWORD, hashed)
        assert [tuple(row) for row in booked] == [
            (alice.id, "TOP_UP", Decimal("100.00"), "EUR", "COMPLETED")
        ]
        assert [row["balance"] for row in balances] == [Decimal("0.00"), Decimal("100.00")]

    async def test_are_made_once_and_one_that_was_erased_stays_away(
        self, tmp_path: Path, db: Database, database_url: str
    ):
        async with opened(tmp_path, database_url) as shop:
            await make_demo_accounts(shop, now=NOON)
            async with db.transaction() as tx:
                alice = await find_account(tx, normalise("alice@example.com"))
                assert alice is not None
                await erase_user(tx, user_id=alice.id, by="olga", now=NOON)

            await make_demo_accounts(shop, now=NOON)

            assert [each.email for each in await list_demo_accounts(shop)] == _BOTH[1:]
        assert await count_users(db) == 2

    async def test_leave_a_customer_with_such_an_address_unchanged(
        self, tmp_path: Path, db: Database, database_url: str
    ):
        await add_customer(db, "alice@example.com")

        async with opened(tmp_path, database_url) as shop:
            await make_demo_accounts(shop, now=NOON)

        async with db.read() as reader:
            alice = await find_account(reader, normalise("alice@example.com"))
            assert alice is not None
            assert alice.password_hash.reveal() == "none"
            assert await reader.fetchval("SELECT count(*) FROM transactions") == 0

    @pytest.mark.parametrize(
        "why", ["production", "attached", "has customers", "open to a network"]
    )
    async def test_never_come_into_a_shop_that_sells(
        self, tmp_path: Path, db: Database, database_url: str, why: str
    ):
        # A laptop may use any database.
        variables = {"DATABASE_URL": database_url}
        if why == "production":
            variables = PRODUCTION | variables
        elif why == "attached":
            async with db.transaction() as tx:
                await tx.execute(
                    "INSERT INTO keyshop.attachment (begun_at, finished_at) VALUES ($1, $1)", NOON
                )
        elif why == "open to a network":
            variables["KEYSHOP_HOST"] = "0.0.0.0"
        else:
            await add_customer(db, "bob@example.com")
        before = await count_users(db)

        async with opened(tmp_path, database_url, **variables) as shop:
            await make_demo_accounts(shop, now=NOON)
            assert await list_demo_accounts(shop) == []

        assert await count_users(db) == before

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
    def test_cause_no_warning_on_a_loopback_address(self, tmp_path: Path, host: str):
        assert warn_of_network(load_from(tmp_path, KEYSHOP_HOST=host), DEMO_ACCOUNTS) is None

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "shop.example"])
    def test_cause_a_warning_where_a_network_reaches_them(self, tmp_path: Path, host: str):
        settings = load_from(tmp_path, KEYSHOP_HOST=host)

        assert "`keyshop users erase` removes them" in (
            warn_of_network(settings, DEMO_ACCOUNTS) or ""
        )
        assert "There are no demo accounts" in (warn_of_network(settings, []) or "")
