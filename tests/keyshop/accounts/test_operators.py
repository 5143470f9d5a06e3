"""Operators create and unlock accounts, change roles, and export and erase data."""

import asyncio
from contextvars import Context, copy_context
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from keyshop.accounts.addresses import normalise
from keyshop.accounts.create_user import create_user
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.edit_profile import edit_profile
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import AccountInvalid, EmailTaken, UserNotFound, WrongCredentials
from keyshop.accounts.export_user import export_user
from keyshop.accounts.models import Account, NewUser, ProfileChanges, Role
from keyshop.accounts.queries import find_account, find_account_by_id, list_sign_ins
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.revoke_sessions import revoke_sessions
from keyshop.accounts.send_verification import send_verification
from keyshop.accounts.sessions.queries import list_families
from keyshop.accounts.set_role import set_role
from keyshop.accounts.unlock_user import unlock_user
from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from tests.factories.cached_shop import until
from tests.factories.customers import (
    ALICE,
    HOME,
    PASSWORD,
    SECOND,
    add_alice,
    caller,
    count,
    enter,
    guest_with,
    select_rows,
)
from tests.factories.games import NOON, make_game
from tests.factories.sent_mails import mailed
from tests.factories.sessions import get_account
from tests.keyshop.accounts.test_families import is_waiting
from tests.keyshop.accounts.test_profile import add_order
from tests.keyshop.accounts.test_sign_in import is_signed_in

KEY_TEXT = "AAAAA-BBBBB-CCCCC"


async def add_full_life(db: Database, parts: AccountServices) -> Account:
    """Give Alice a row in every table that can refer to her."""
    game_id = await make_game(db, title="Witch Hunt")
    session_id = await guest_with(db, game_id, 2)
    alice = (
        await add_alice(db, parts, session_id=session_id, first_name="Alice", last_name="Smith")
    ).account
    with pytest.raises(WrongCredentials):
        await enter(db, parts, password="wrong", user_agent="Her browser")
    await add_order(db, alice, quantities=(1,))
    async with db.transaction() as tx:
        await tx.execute("UPDATE users SET balance = 12.30, avatar = 'face.png'")
        await tx.execute(
            "INSERT INTO keyshop.opening_balances VALUES ($1, -87.70, $2)", alice.id, NOON
        )
        await tx.execute(
            'INSERT INTO wishlist ("userId", "gameId") VALUES ($1, $2)', alice.id, game_id
        )
        await tx.execute(
            """INSERT INTO game_keys (id, "gameId", key, "orderId")
            SELECT $1, $2, $3, id FROM orders""",
            new_id(),
            game_id,
            KEY_TEXT,
        )
        await tx.execute(
            """INSERT INTO transactions (id, "userId", type, amount, status, "gatewayResponse")
            VALUES ($1, $2, 'TOP_UP', 100, 'COMPLETED', '{"by": "card"}')""",
            new_id(),
            alice.id,
        )
        await tx.execute(
            """INSERT INTO keyshop.journal (happened_at, actor, action, subject, subject_id)
            VALUES ($1, 'olga', 'user.created', 'user', $2)""",
            NOON,
            alice.id,
        )
    return await get_account(db, alice.id)


async def create(
    db: Database, parts: AccountServices, email: str, *, role: Role = Role.USER
) -> Account:
    user = NewUser(email=email, password=PASSWORD, role=role)
    return await create_user(db, parts.passwords, user, by="olga", now=NOON)


async def erase(db: Database, user_id: str) -> None:
    async with db.transaction() as tx:
        await erase_user(tx, user_id=user_id, by="olga", now=NOON)


async def journal_of(db: Database, user_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return actor, action and details of the user's entries, the oldest first."""
    async with db.read() as reader:
        entries = await list_entries(reader, Subject("user", user_id))
    return [(entry.actor, entry.action, entry.details) for entry in reversed(entries)]


async def exported(db: Database, user_id: str) -> tuple[str, dict[str, Any]]:
    async with db.transaction() as tx:
        document = await export_user(tx, user_id=user_id, by="olga", now=NOON)
    text = msgspec.json.encode(document).decode()
    return text, msgspec.json.decode(text)


class TestCreatedAccount:
    async def test_counts_as_verified_and_signs_in(self, db, parts) -> None:
        created = await create(db, parts, "J.Doe@Gmail.com", role=Role.ADMIN)

        entered = await enter(db, parts, email="jdoe@gmail.com")

        assert (created.email, created.role, created.nickname) == (
            "jdoe@gmail.com",
            Role.ADMIN,
            "Newbie Guy",
        )
        assert entered.account == created
        assert created.email_verified

    async def test_needs_an_unused_address(self, db, parts) -> None:
        await add_alice(db, parts)

        with pytest.raises(EmailTaken):
            await create(db, parts, ALICE)
        with pytest.raises(AccountInvalid):
            await create(db, parts, "unknown")


class TestRole:
    async def test_that_changes_signs_the_account_out_everywhere(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        async with db.transaction() as tx:
            assert await set_role(
                tx, user_id=alice.account.id, role=Role.ADMIN, by="olga", now=NOON
            )

        assert not await is_signed_in(db, parts, alice.tokens.token)
        assert (await enter(db, parts)).account.role == Role.ADMIN

    async def test_that_changes_invalidates_mailed_links(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await request_reset(db, ALICE, caller(), now=NOON)

        async with db.transaction() as tx:
            await set_role(tx, user_id=alice.id, role=Role.ADMIN, by="olga", now=NOON)

        [link] = await select_rows(
            db, "SELECT used_at FROM keyshop.email_tokens WHERE purpose LIKE 'R%'"
        )
        assert link["used_at"] == NOON

    async def test_that_the_account_has_already_changes_nothing(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        async with db.transaction() as tx:
            assert not await set_role(
                tx, user_id=alice.account.id, role=Role.USER, by="olga", now=NOON
            )

        assert await is_signed_in(db, parts, alice.tokens.token)

    async def test_of_an_unknown_user_cannot_be_changed(self, db) -> None:
        async with db.transaction() as tx:
            with pytest.raises(UserNotFound):
                await set_role(tx, user_id="unknown", role=Role.ADMIN, by="olga", now=NOON)


class TestUnlocking:
    async def test_lets_a_locked_account_sign_in_again(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, password="wrong")
        with pytest.raises(WrongCredentials):
            await enter(db, parts)

        async with db.transaction() as tx:
            assert await unlock_user(tx, user_id=alice.id, by="olga", now=NOON)

        assert (await enter(db, parts)).account.id == alice.id

    async def test_of_an_account_without_failures_changes_nothing(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account

        async with db.transaction() as tx:
            assert not await unlock_user(tx, user_id=alice.id, by="olga", now=NOON)

        assert await journal_of(db, alice.id) == []


class TestJournal:
    async def test_records_what_each_operator_did(self, db, parts) -> None:
        alice = await create(db, parts, ALICE)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, password="wrong")

        async with db.transaction() as tx:
            await set_role(tx, user_id=alice.id, role=Role.ADMIN, by="viktor", now=NOON)
            await revoke_sessions(tx, user_id=alice.id, by="olga", now=NOON)
            await unlock_user(tx, user_id=alice.id, by="olga", now=NOON)
            await export_user(tx, user_id=alice.id, by="olga", now=NOON)
            await erase_user(tx, user_id=alice.id, by="olga", now=NOON)

        assert await journal_of(db, alice.id) == [
            ("olga", "users.create", {"role": "USER"}),
            ("viktor", "users.role", {"role": "ADMIN", "before": "USER"}),
            ("olga", "users.revoke", {"devices": 0}),
            ("olga", "users.unlock", {}),
            ("olga", "users.export", {}),
            ("olga", "users.erase", {}),
        ]

    async def test_holds_nothing_that_was_refused(self, db, parts) -> None:
        alice = await create(db, parts, ALICE)
        await erase(db, alice.id)

        async with db.transaction() as tx:
            for operation in (revoke_sessions, unlock_user, export_user, erase_user):
                with pytest.raises(UserNotFound):
                    await operation(tx, user_id=alice.id, by="olga", now=NOON)

        assert [action for _, action, _ in await journal_of(db, alice.id)] == [
            "users.create", "users.erase"
        ]  # fmt: skip


class TestLookingUp:
    async def test_finds_an_account_with_its_devices_and_attempts(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await enter(db, parts, now=NOON + SECOND, address="198.51.100.9")

        async with db.read() as reader:
            assert await find_account(reader, normalise(" ALICE@example.com")) == alice
            assert await find_account_by_id(reader, alice.id) == alice
            assert await find_account(reader, normalise("unknown@example.com")) is None
            families = await list_families(reader, alice.id)
            attempt, registering = await list_sign_ins(reader, alice.id)

        assert [family.created_at for family in families] == [NOON + SECOND, NOON]
        assert (attempt.success, attempt.address) == (True, "198.51.100.9")
        assert (registering.success, registering.address) == (True, HOME)


class TestExport:
    async def test_is_one_document_with_everything_but_secrets(self, db, parts) -> None:
        alice = await add_full_life(db, parts)

        text, document = await exported(db, alice.id)

        assert alice.password_hash.reveal() not in text
        assert KEY_TEXT not in text
        assert document["account"]["email"] == ALICE
        assert document["account"]["balance"] == pytest.approx(12.30)
        assert document["account"]["createdAt"] == "2026-06-15T12:00:00+00:00"
        assert document["openingBalance"]["balance"] == pytest.approx(-87.70)
        [order] = document["orders"]
        assert [item["quantity"] for item in order["items"]] == [1]
        assert [key["activated"] for key in order["keys"]] == [False]
        assert document["transactions"][0]["gatewayResponse"] == {"by": "card"}
        assert [line["title"] for line in document["cart"]] == ["Witch Hunt"]
        assert [line["title"] for line in document["wishlist"]] == ["Witch Hunt"]
        agents = {sign_in["success"]: sign_in["userAgent"] for sign_in in document["signIns"]}
        assert agents == {True: "A browser", False: "Her browser"}
        assert len(document["devices"]) == 1
        assert document["emailTokens"][0]["purpose"] == "VERIFY_EMAIL"
        assert document["wrongPasswords"]["inARow"] == 1
        assert [entry["action"] for entry in document["journal"]] == ["user.created"]

    async def test_of_a_customer_without_orders_has_every_part(self, db, parts) -> None:
        bob = (await add_alice(db, parts, email="bob@example.com")).account
        await add_full_life(db, parts)

        text, document = await exported(db, bob.id)

        assert ALICE not in text
        assert document["orders"] == document["cart"] == document["wishlist"] == []
        assert [sign_in["success"] for sign_in in document["signIns"]] == [True]
        assert document["wrongPasswords"] is document["openingBalance"] is None

    async def test_of_an_unknown_user_is_refused(self, db) -> None:
        with pytest.raises(UserNotFound):
            await exported(db, "unknown")


class TestErasing:
    async def test_replaces_what_is_personal_and_keeps_what_must_be_kept(self, db, parts) -> None:
        alice = await add_full_life(db, parts)

        await erase(db, alice.id)

        [row] = await select_rows(db, "SELECT * FROM users")
        left = dict(row)
        assert left["email"].startswith("erased-")
        assert left["email"].endswith("@erased.invalid")
        assert alice.id not in left["email"]
        assert (left["balance"], left["role"]) == (Decimal("12.30"), "USER")
        assert (left["firstName"], left["lastName"], left["avatar"]) == (None, None, None)
        assert not {"Alice", "Smith", alice.email, alice.password_hash.reveal()} & {*left.values()}
        assert await count(db, "orders") == await count(db, "transactions") == 1
        for emptied in (
            "login_history",
            "cart_items",
            "wishlist",
            "keyshop.email_tokens",
            "keyshop.token_families",
            "keyshop.refresh_tokens",
            "keyshop.sign_in_failures",
        ):
            assert await count(db, emptied) == 0

    async def test_leaves_nothing_counted_for_the_address(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        await request_reset(db, ALICE, caller(), now=NOON)
        await send_verification(db, user_id=alice.id, client_info=caller(), now=NOON)
        with pytest.raises(WrongCredentials):
            await enter(db, parts, password="wrong")

        await erase(db, alice.id)

        counted = await select_rows(
            db, "SELECT split_part(key, ':', 1) AS name FROM keyshop.rate_limits"
        )
        assert counted
        assert not [row["name"] for row in counted if not row["name"].endswith("per_client")]
        assert await count(db, "keyshop.sign_in_failures") == 0

    async def test_signs_out_all_devices_and_prevents_signing_in(self, db, parts) -> None:
        alice = await add_alice(db, parts)

        await erase(db, alice.account.id)

        assert not await is_signed_in(db, parts, alice.tokens.token)
        placeholder = (await get_account(db, alice.account.id)).email
        for email in (ALICE, placeholder):
            for password in (PASSWORD, "!", ""):
                with pytest.raises((WrongCredentials, AccountInvalid)):
                    await enter(db, parts, email=email, password=password)

    async def test_frees_the_address_and_stops_pending_mails(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        await request_reset(db, ALICE, caller(), now=NOON)
        assert len(await mailed(db, parts)) == 2

        await erase(db, alice.account.id)

        assert await mailed(db, parts) == []
        again = await add_alice(db, parts, now=NOON + timedelta(days=1))
        assert again.account.id != alice.account.id

    async def test_leaves_no_link_that_was_requested_meanwhile(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        elsewhere = copy_context()

        async with db.transaction() as tx:
            await erase_user(tx, user_id=alice.id, by="olga", now=NOON)
            asking = asyncio.create_task(
                request_reset(db, ALICE, caller(), now=NOON), context=elsewhere
            )
            await until(lambda: is_waiting(db))
        await asking

        assert await count(db, "keyshop.email_tokens") == 0

    async def test_refuses_a_change_that_waited_for_it(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        changes = ProfileChanges(nickname="Alice again", first_name="Alice")

        async with db.transaction() as tx:
            await erase_user(tx, user_id=alice.id, by="olga", now=NOON)
            editing = edit_profile(db, user_id=alice.id, changes=changes, now=NOON)
            edited = asyncio.create_task(editing, context=Context())
            await until(lambda: is_waiting(db))
        with pytest.raises(UserNotFound):
            await edited

        assert await select_rows(db, "SELECT 1 FROM users WHERE nickname LIKE 'Alice%'") == []

    async def test_of_two_customers_makes_two_placeholders(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        bob = await add_alice(db, parts, email="bob@example.com")

        await erase(db, alice.account.id)
        await erase(db, bob.account.id)
        with pytest.raises(UserNotFound):
            await erase(db, alice.account.id)

        assert len({row["email"] for row in await select_rows(db, "SELECT email FROM users")}) == 2

    async def test_of_an_unknown_user_is_refused(self, db) -> None:
        with pytest.raises(UserNotFound):
            await erase(db, "unknown")
