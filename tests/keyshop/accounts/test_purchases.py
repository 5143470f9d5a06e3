"""Export, erasure and statistics of customers who have bought something."""

import asyncio
from contextvars import copy_context
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import CustomerHasOpenOrders, WrongCredentials
from keyshop.accounts.models import Account
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.show_statistics import show_statistics
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from keyshop.wallet.handle_notification import handle_notification
from keyshop.wallet.models import Outcome
from keyshop.wallet.signature import sign
from tests.factories.cached_shop import until
from tests.factories.customers import ALICE, add_alice, caller, count, enter, select_rows
from tests.factories.games import NOON, make_game
from tests.factories.sessions import add_user
from tests.keyshop.accounts.test_families import is_waiting
from tests.keyshop.accounts.test_operators import erase, exported, journal_of
from tests.keyshop.accounts.test_profile import profile_of

_ADD_UNIT = """
    INSERT INTO keyshop.order_units (id, order_id, item_id, user_id, game_id, state, price, charged,
        next_at, vault_key_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, 5, 4.50, $7, $8, $9)
"""
_ADD_TOP_UP = """
    INSERT INTO keyshop.top_up_intents (id, user_id, amount, currency, method, state, provider,
        transaction_id, notification, created_at, updated_at, expires_at)
    VALUES ($1, $2, 20, 'EUR', 'card', $3, 'demo', $4, $5, $6, $6, $6)
"""
_ADD_PAYMENT = """
    INSERT INTO transactions (id, "userId", type, amount, status, description, "gatewayResponse")
    VALUES ($1, $2, 'TOP_UP', 20, 'COMPLETED', $3, $4)
"""


async def add_order_of(db: Database, account: Account, *states: str, status="PROCESSING") -> str:
    """Add an order of one game with a unit of each state, and return its id."""
    order_id, item_id = new_id(), new_id()
    game_id = await make_game(db, slug=new_id())
    async with db.transaction() as tx:
        await tx.execute(
            """INSERT INTO orders (id, "userId", status, subtotal, discount, total)
            VALUES ($1, $2, $3::text::"OrderStatus", 10, 1, 9)""",
            order_id,
            account.id,
            status,
        )
        await tx.execute(
            "INSERT INTO keyshop.placed_orders (order_id, user_id, placed_at) VALUES ($1, $2, $3)",
            order_id,
            account.id,
            NOON,
        )
        await tx.execute(
            'INSERT INTO order_items (id, "orderId", "gameId", quantity, price) VALUES ($1,$2,$3,$4,5)',
            item_id,
            order_id,
            game_id,
            len(states),
        )
        for state in states:
            unit_id = new_id()
            key_id = new_id() if state == "DELIVERED" else None
            next_at = NOON if state in {"OPEN", "ORPHANED"} else None
            await tx.execute(
                _ADD_UNIT,
                *(unit_id, order_id, item_id, account.id, game_id, state, next_at, key_id, NOON),
            )
            if state == "REFUNDED":
                await tx.execute(
                    """INSERT INTO keyshop.refunds VALUES
                    ($1, $2, $3, $4, 4.50, 'Key did not work.', true, 'olga', $5)""",
                    *(new_id(), order_id, unit_id, new_id(), NOON),
                )
            if key_id is not None:
                await tx.execute(
                    "INSERT INTO keyshop.key_reveals VALUES ($1, $2, $3::date, $4)",
                    *(key_id, account.id, NOON.date(), NOON),
                )
        await tx.execute(
            """INSERT INTO keyshop.order_events (order_id, happened_at, kind, actor, details)
            VALUES ($1, $2, 'order.placed', 'customer', '{"units": 2}')""",
            *(order_id, NOON),
        )
    return order_id


async def add_top_up(
    db: Database, account: Account, state: str, *, notification: str | None = None
) -> None:
    entry = new_id() if state == "completed" else None
    async with db.transaction() as tx:
        await tx.execute(_ADD_TOP_UP, new_id(), account.id, state, entry, notification, NOON)


async def add_payment(
    db: Database, account: Account, description: str | None, response: str | None
) -> None:
    async with db.transaction() as tx:
        await tx.execute(_ADD_PAYMENT, new_id(), account.id, description, response)


async def add_erika(db: Database, parts: AccountServices) -> Account:
    """Register a customer whose address and names no other row of the database has."""
    email = "erika.mustermann@example.com"
    names = {"nickname": "Erika", "first_name": "Erika", "last_name": "Mustermann"}
    return (await add_alice(db, parts, email=email, **names)).account


async def tables_with(db: Database, *texts: str) -> list[str]:
    """Return the tables of which a row has one of these texts, in any case of letters."""
    tables = await select_rows(
        db,
        """SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
        WHERE schemaname IN ('public', 'keyshop') ORDER BY 1""",
    )
    patterns = [f"%{text}%" for text in texts]
    return [
        table["name"]
        for table in tables
        if await select_rows(
            db, f"SELECT 1 FROM {table['name']} AS t WHERE t::text ILIKE ANY($1) LIMIT 1", patterns
        )
    ]


class TestExport:
    async def test_has_units_refunds_top_ups_and_reveals(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        bob = (await add_alice(db, parts, email="bob@example.com")).account
        order_id = await add_order_of(db, alice, "DELIVERED", "REFUNDED", "OPEN")
        await add_order_of(db, bob, "DELIVERED", "REFUNDED")
        await add_top_up(db, alice, "completed", notification='{"transactionId": "t-1"}')
        await add_top_up(db, bob, "pending")
        await add_payment(db, bob, "Top-up", None)

        _, document = await exported(db, alice.id)

        units = {unit["state"]: unit for unit in document["units"]}
        assert set(units) == {"DELIVERED", "REFUNDED", "OPEN"}
        assert {unit["orderId"] for unit in document["units"]} == {order_id}
        assert units["DELIVERED"]["charged"] == pytest.approx(4.5)
        [refund] = document["refunds"]
        assert (refund["unitId"], refund["reason"]) == (
            units["REFUNDED"]["id"],
            "Key did not work.",
        )
        assert "by" not in refund
        [top_up] = document["topUps"]
        assert (top_up["state"], top_up["notification"]) == ("completed", {"transactionId": "t-1"})
        [shown] = document["keyReveals"]
        assert shown["keyId"] == units["DELIVERED"]["keyId"]
        assert [event["kind"] for event in document["orderEvents"]] == ["order.placed"]
        assert document["balanceChangesByOtherPrograms"] == []

    async def test_has_what_other_programs_did_to_the_money(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await add_payment(db, alice, "Top-up", None)
        async with db.transaction() as tx:
            await tx.execute("UPDATE users SET balance = 20 WHERE id = $1", alice.id)

        _, document = await exported(db, alice.id)

        changes = document["balanceChangesByOtherPrograms"]
        assert [(change["kind"], change["amount"]) for change in changes] == [
            ("row_added", 20),
            ("balance", 20),
        ]

    async def test_has_the_units_of_an_order_that_another_program_deleted(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        order_id = await add_order_of(db, alice, "REFUNDED", "OPEN")
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM orders WHERE id = $1", order_id)

        _, document = await exported(db, alice.id)

        assert document["orders"] == []
        assert sorted(unit["state"] for unit in document["units"]) == ["ORPHANED", "REFUNDED"]
        assert len(document["refunds"]) == 1


class TestErasing:
    async def test_is_refused_while_a_unit_is_open(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await add_order_of(db, alice, "DELIVERED", "OPEN")

        with pytest.raises(CustomerHasOpenOrders, match=r"^This customer has orders under way\.$"):
            await erase(db, alice.id)

        assert [row["email"] for row in await select_rows(db, "SELECT email FROM users")] == [ALICE]
        assert await journal_of(db, alice.id) == []

    @pytest.mark.parametrize("state", ["DELIVERED", "REFUNDED", "ORPHANED"])
    async def test_needs_no_open_unit(self, db, parts, state: str) -> None:
        alice = (await add_alice(db, parts)).account
        bob = (await add_alice(db, parts, email="bob@example.com")).account
        await add_order_of(db, alice, state)
        await add_order_of(db, bob, "OPEN")

        await erase(db, alice.id)

        assert await select_rows(db, "SELECT 1 FROM users WHERE email = $1", ALICE) == []

    async def test_sees_the_order_for_which_it_waited(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        order_id = await add_order_of(db, alice, "REFUNDED")
        elsewhere = copy_context()

        async def erase_elsewhere() -> None:
            async with db.transaction() as tx:
                await erase_user(tx, user_id=alice.id, by="olga", now=NOON)

        async with db.transaction() as tx:
            await tx.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", alice.id)
            erasing = asyncio.create_task(erase_elsewhere(), context=elsewhere)
            await until(lambda: is_waiting(db))
            await tx.execute(
                _ADD_UNIT, *(new_id(), order_id, "i", alice.id, "g", "OPEN", NOON, None, NOON)
            )
        with pytest.raises(CustomerHasOpenOrders):
            await erasing

    async def test_clears_address_and_names_from_payments(self, db, parts) -> None:
        alice = (await add_alice(db, parts, first_name="Alice", last_name="Smith")).account
        bob = (await add_alice(db, parts, email="bob@example.com")).account
        response = {"transactionId": "t-1", "amount": 20, "email": "A.Lice@example.com"}
        body = msgspec.json.encode(response | {"billing": {"fullName": "A. SMITH"}}).decode()
        await add_payment(db, alice, "Top-up by Alice <alice@example.com>", body)
        await add_payment(db, alice, "Top-up", None)
        await add_payment(db, alice, None, '{"status":"completed"}')
        await add_payment(db, bob, "Top-up by Alice", '{"email": "bob@example.com"}')

        await erase(db, alice.id)

        paid = await select_rows(
            db,
            'SELECT "userId", description, "gatewayResponse" AS body FROM transactions ORDER BY id',
        )
        left: dict[str | None, Any] = {
            row["description"]: row["body"] and msgspec.json.decode(row["body"])
            for row in paid
            if row["userId"] == alice.id
        }
        assert left == {
            "Top-up by [erased] <[erased]>": {
                "transactionId": "t-1",
                "amount": 20,
                "email": "[erased]",
                "billing": {"fullName": "[erased]"},
            },
            "Top-up": None,
            None: {"status": "completed"},
        }
        [of_bob] = [row for row in paid if row["userId"] == bob.id]
        assert of_bob["description"] == "Top-up by Alice"
        assert "bob@example.com" in of_bob["body"]

    async def test_changes_no_money(self, db, parts) -> None:
        alice = (await add_alice(db, parts, first_name="Alice")).account
        async with db.transaction() as tx:
            await tx.execute("SELECT set_config('keyshop.wallet', 'on', true)")
            await tx.execute(
                _ADD_PAYMENT, new_id(), alice.id, "Top-up by Alice", '{"name": "Alice"}'
            )
            await tx.execute("UPDATE users SET balance = 20 WHERE id = $1", alice.id)

        await erase(db, alice.id)

        [row] = await select_rows(
            db, "SELECT * FROM keyshop.balances() WHERE user_id = $1", alice.id
        )
        assert row["balance"] == row["expected"] == Decimal(20)
        assert (
            await count(db, "keyshop.foreign_balance_changes WHERE user_id = '" + alice.id + "'")
            == 0
        )

    async def test_ends_top_ups_and_deletes_what_was_sent_about_them(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        bob = (await add_alice(db, parts, email="bob@example.com")).account
        for state in ("pending", "completed", "failed", "held"):
            await add_top_up(db, alice, state, notification='{"email": "alice@example.com"}')
        await add_top_up(db, bob, "pending", notification='{"email": "bob@example.com"}')

        await erase(db, alice.id)

        top_ups = await select_rows(
            db, "SELECT user_id, state, notification FROM keyshop.top_up_intents ORDER BY state"
        )
        of_alice = [row for row in top_ups if row["user_id"] == alice.id]
        assert [row["state"] for row in of_alice] == ["completed", "expired", "failed", "held"]
        assert {row["notification"] for row in of_alice} == {None}
        [of_bob] = [row for row in top_ups if row["user_id"] == bob.id]
        assert (of_bob["state"], of_bob["notification"]) == (
            "pending",
            '{"email": "bob@example.com"}',
        )

    async def test_leaves_address_and_names_in_no_table(self, db, parts) -> None:
        erika = await add_erika(db, parts)
        await add_order_of(db, erika, "DELIVERED", "REFUNDED")
        response = '{"email": "Erika.Mustermann@Example.com", "surname": "Mustermann"}'
        await add_payment(db, erika, "Top-up by Erika Mustermann", response)
        await add_top_up(db, erika, "held", notification=response)
        await request_reset(db, erika.email, caller(), now=NOON)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, email=erika.email, password="wrong")
        assert len(await tables_with(db, "erika", "mustermann")) >= 4

        await erase(db, erika.id)

        assert await tables_with(db, "erika", "mustermann") == []

    async def test_is_not_undone_by_a_late_notification(self, db, parts) -> None:
        erika = await add_erika(db, parts)
        await add_top_up(db, erika, "pending")
        [intent] = await select_rows(
            db, "SELECT id FROM keyshop.top_up_intents WHERE user_id = $1", erika.id
        )
        await erase(db, erika.id)
        notification = {
            "intentId": intent["id"],
            "transactionId": new_id(),
            "email": erika.email,
            "name": "Erika",
            "surname": "Mustermann",
            "amount": 20,
            "currency": "EUR",
            "status": "completed",
        }
        body, secret = msgspec.json.encode(notification), Secret("s" * 32)

        outcome = await handle_notification(db, [secret], body, sign(secret, body), now=NOON)

        assert outcome is Outcome.HELD
        assert await tables_with(db, "erika", "mustermann") == []
        [held] = await select_rows(
            db, "SELECT notification FROM keyshop.top_up_intents WHERE id = $1", intent["id"]
        )
        assert notification["transactionId"] in held["notification"]


class TestStatistics:
    async def test_count_no_key_that_was_refunded(self, db) -> None:
        alice = await add_user(db)
        await add_order_of(db, alice, "DELIVERED", "REFUNDED", "DELIVERED", status="COMPLETED")
        await add_order_of(db, alice, "REFUNDED", status="CANCELLED")
        await add_order_of(db, alice, "OPEN")

        profile = await profile_of(db, alice)
        statistics = msgspec.json.decode(await show_statistics(db, user_id=alice.id, now=NOON))[
            "data"
        ]

        assert profile["stats"]["gamesPurchased"] == 2
        assert (statistics["totalGames"], statistics["totalOrders"]) == (2, 1)
