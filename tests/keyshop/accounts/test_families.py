"""Token families: refresh tokens replace one another, and none is accepted twice."""

import asyncio
from collections.abc import Awaitable
from contextvars import copy_context
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from keyshop.accounts.errors import AccountChanged, TokenRefused
from keyshop.accounts.sessions.families import (
    begin_family,
    delete_expired_families,
    rebind_to_new_hash,
    refresh,
    revoke_all,
    revoke_family,
)
from keyshop.accounts.sessions.queries import find_access
from keyshop.kit.database.pool import Database
from keyshop.kit.secrets import Secret
from tests.factories.cached_shop import until
from tests.factories.games import NOON
from tests.factories.sessions import (
    HOUR,
    MONTH,
    NEW_HASH,
    OLD_HASH,
    add_user,
    family_of,
    get_account,
    make_tokens,
    sign_in,
)

SECOND = timedelta(seconds=1)
tokens = make_tokens()


async def refusal(attempt: Awaitable[object]) -> str:
    """Wait for the attempt, which must be refused, and return the message."""
    with pytest.raises(TokenRefused) as caught:
        await attempt
    return str(caught.value)


async def change(db: Database, sql: str, *args: object) -> None:
    async with db.transaction() as tx:
        await tx.execute(sql, *args)


async def rows_of(db: Database, table: str) -> list[asyncpg.Record]:
    async with db.read() as reader:
        return await reader.fetch(f"SELECT * FROM keyshop.{table}")


async def signed_in_at_noon(db: Database, **overrides: Any) -> str:
    """Sign Alice in at noon and return her refresh token."""
    return (await sign_in(db, tokens, await add_user(db, **overrides), now=NOON)).refresh_token


class TestSignIn:
    async def test_gives_two_tokens_and_the_true_lifetime_of_the_first(self, db):
        brief = make_tokens(access_lifetime=timedelta(minutes=7))

        pair = await sign_in(db, brief, await add_user(db), now=NOON)

        claims = brief.read_access(pair.token, now=NOON)
        assert pair.expires_in == claims.exp - claims.iat == 420
        assert brief.read_refresh(pair.refresh_token, now=NOON).fid == claims.fid

    async def test_on_the_fifty_first_device_ends_the_one_unused_for_longest(self, db):
        alice = await add_user(db)
        pairs = [await sign_in(db, tokens, alice, now=NOON + place * SECOND) for place in range(50)]
        # The first device is in use; the second one is not.
        used = await refresh(db, tokens, pairs[0].refresh_token, now=NOON + HOUR)

        await sign_in(db, tokens, alice, now=NOON + HOUR)

        later = NOON + HOUR + SECOND
        assert await refusal(refresh(db, tokens, pairs[1].refresh_token, now=later))
        assert await refresh(db, tokens, used.refresh_token, now=later)
        assert await refresh(db, tokens, pairs[2].refresh_token, now=later)

    async def test_of_sixty_devices_at_once_leaves_fifty(self, db):
        alice = await add_user(db)

        await asyncio.gather(*(sign_in(db, tokens, alice) for _ in range(60)))

        live = [row for row in await rows_of(db, "token_families") if row["revoked_at"] is None]
        assert len(live) == 50

    async def test_with_a_password_that_was_just_changed_is_refused(self, db):
        checked = await add_user(db)
        await change(db, 'UPDATE users SET "passwordHash" = $1', NEW_HASH)

        with pytest.raises(AccountChanged):
            await sign_in(db, tokens, checked)

        assert await rows_of(db, "token_families") == []

    async def test_waits_for_a_password_change_under_way_and_is_refused(self, db):
        checked, elsewhere = await add_user(db), copy_context()
        async with db.transaction() as changing:
            await changing.execute('UPDATE users SET "passwordHash" = $1', NEW_HASH)
            signing_in = asyncio.create_task(sign_in(db, tokens, checked), context=elsewhere)
            await until(lambda: is_waiting(db))

        with pytest.raises(AccountChanged):
            await signing_in

    async def test_to_an_account_that_was_just_deleted_is_refused(self, db):
        checked = await add_user(db)
        await change(db, "DELETE FROM users")

        with pytest.raises(AccountChanged):
            await sign_in(db, tokens, checked)

    async def test_may_happen_in_the_transaction_that_makes_the_account(self, db):
        alice = await add_user(db)
        await change(db, "DELETE FROM users")
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO users (id, email, "passwordHash", "updatedAt") VALUES ($1, $2, $3, $4)',
                alice.id,
                alice.email,
                OLD_HASH,
                NOON,
            )
            pair = await begin_family(tx, tokens, alice, now=NOON)

        assert await refresh(db, tokens, pair.refresh_token, now=NOON)


async def is_waiting(db: Database) -> bool:
    """Test whether a statement waits for another transaction's lock."""
    async with db.read() as reader:
        return bool(await reader.fetchval(_WAITING))


_WAITING = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND datname = current_database())
"""


class TestRefresh:
    async def test_gives_the_next_two_tokens_of_the_same_sign_in(self, db):
        alice = await add_user(db)
        first = await sign_in(db, tokens, alice, now=NOON)

        second = await refresh(db, tokens, first.refresh_token, now=NOON + HOUR)

        later = NOON + HOUR
        claims = tokens.read_access(second.token, now=later)
        assert (claims.user_id, claims.email, claims.exp) == (
            alice.id,
            alice.email,
            int((later + HOUR).timestamp()),
        )
        assert second.refresh_token != first.refresh_token
        assert family_of(tokens, second, now=later) == family_of(tokens, first, now=later)

    async def test_can_be_repeated_while_each_token_is_used_in_time(self, db):
        token, now = await signed_in_at_noon(db), NOON

        for _ in range(5):
            now += MONTH - SECOND
            token = (await refresh(db, tokens, token, now=now)).refresh_token

        assert "Invalid or expired" in await refusal(refresh(db, tokens, token, now=now + MONTH))

    async def test_gives_the_role_and_address_that_the_account_has_now(self, db):
        token = await signed_in_at_noon(db)
        await change(db, "UPDATE users SET email = 'new@example.com'")

        pair = await refresh(db, tokens, token, now=NOON)

        assert tokens.read_access(pair.token, now=NOON).email == "new@example.com"

    async def test_of_a_deleted_family_is_refused(self, db):
        token = await signed_in_at_noon(db)
        await change(db, "DELETE FROM keyshop.token_families")

        message = await refusal(refresh(db, tokens, token, now=NOON))

        assert message == "Invalid or expired refresh token"

    async def test_repeated_many_times_leaves_two_rows(self, db):
        token, now = await signed_in_at_noon(db), NOON

        for _ in range(30):
            now += SECOND
            token = (await refresh(db, tokens, token, now=now)).refresh_token

        stored = {row["id"]: row["parent_id"] for row in await rows_of(db, "refresh_tokens")}
        present = tokens.read_refresh(token, now=now).jti
        assert stored.keys() == {present, stored[present]}

    async def test_of_a_deleted_account_says_so(self, db):
        token = await signed_in_at_noon(db)
        await change(db, "DELETE FROM users")

        assert await refusal(refresh(db, tokens, token, now=NOON)) == "User not found"

    async def test_with_a_token_of_bobs_does_not_touch_alices(self, db):
        alices, bob = await signed_in_at_noon(db), await add_user(db)
        family = tokens.read_refresh(alices, now=NOON)
        stolen = tokens.sign_refresh(
            bob,
            family_id=family.fid,
            token_id=family.jti,
            issued_at=NOON,
            expires_at=NOON + MONTH,
        )

        assert await refusal(refresh(db, tokens, stolen, now=NOON))
        assert await refresh(db, tokens, alices, now=NOON)


class TestTabs:
    async def test_that_refresh_one_token_at_once_all_get_the_same_next_one(self, db):
        token = await signed_in_at_noon(db)

        pairs = await asyncio.gather(
            *(refresh(db, tokens, token, now=NOON + HOUR) for _ in range(20))
        )

        (following,) = {pair.refresh_token for pair in pairs}
        assert len({pair.token for pair in pairs}) == 20
        later = NOON + HOUR + timedelta(minutes=1)
        for pair in pairs:
            assert tokens.read_access(pair.token, now=later)
        assert await refresh(db, tokens, following, now=later)

    async def test_that_come_within_ten_seconds_stay_signed_in(self, db):
        token = await signed_in_at_noon(db)
        first = await refresh(db, tokens, token, now=NOON)

        second = await refresh(db, tokens, token, now=NOON + 10 * SECOND)

        assert second.refresh_token == first.refresh_token
        assert await refresh(db, tokens, first.refresh_token, now=NOON + HOUR)

    async def test_may_run_on_machines_whose_clocks_differ_a_little(self, db):
        token = await signed_in_at_noon(db)
        await refresh(db, tokens, token, now=NOON + 2 * SECOND)

        assert await refresh(db, tokens, token, now=NOON)


class TestReusedToken:
    async def test_after_ten_seconds_revokes_the_family(self, db):
        token = await signed_in_at_noon(db)
        following = await refresh(db, tokens, token, now=NOON)

        message = await refusal(refresh(db, tokens, token, now=NOON + 11 * SECOND))

        assert message == "Invalid refresh token"
        assert await refusal(refresh(db, tokens, following.refresh_token, now=NOON + 11 * SECOND))
        (family,) = await rows_of(db, "token_families")
        assert family["revoked_reason"] == "refresh token reused"

    async def test_of_two_rotations_ago_revokes_it_even_at_once(self, db):
        first = await signed_in_at_noon(db)
        second = (await refresh(db, tokens, first, now=NOON)).refresh_token
        third = (await refresh(db, tokens, second, now=NOON)).refresh_token

        message = await refusal(refresh(db, tokens, first, now=NOON + SECOND))

        assert message == "Invalid refresh token"
        assert await refusal(refresh(db, tokens, third, now=NOON + SECOND))

    async def test_of_many_rotations_ago_revokes_it_too(self, db):
        first = token = await signed_in_at_noon(db)
        for _ in range(5):
            token = (await refresh(db, tokens, token, now=NOON)).refresh_token

        message = await refusal(refresh(db, tokens, first, now=NOON + HOUR))

        assert message == "Invalid refresh token"
        assert await refusal(refresh(db, tokens, token, now=NOON + HOUR))
        (family,) = await rows_of(db, "token_families")
        assert family["revoked_reason"] == "refresh token reused"

    async def test_does_not_sign_out_other_devices(self, db):
        alice = await add_user(db)
        stolen, other = [
            (await sign_in(db, tokens, alice, now=NOON)).refresh_token for _ in range(2)
        ]
        await refresh(db, tokens, stolen, now=NOON)

        assert await refusal(refresh(db, tokens, stolen, now=NOON + HOUR))

        assert await refresh(db, tokens, other, now=NOON + HOUR)


class TestRevoking:
    async def test_one_device_leaves_the_others(self, db):
        alice = await add_user(db)
        phone, laptop = [await sign_in(db, tokens, alice, now=NOON) for _ in range(2)]

        async with db.transaction() as tx:
            family = family_of(tokens, phone, now=NOON)
            assert await revoke_family(tx, family, reason="signed out", now=NOON)
            assert not await revoke_family(tx, family, reason="again", now=NOON)

        assert await refusal(refresh(db, tokens, phone.refresh_token, now=NOON))
        assert await refresh(db, tokens, laptop.refresh_token, now=NOON)

    async def test_all_devices_leaves_those_of_others(self, db):
        alice, bobs = await add_user(db), await signed_in_at_noon(db)
        pairs = [await sign_in(db, tokens, alice, now=NOON) for _ in range(3)]

        async with db.transaction() as tx:
            assert await revoke_all(tx, alice.id, reason="lost phone", now=NOON) == 3

        for pair in pairs:
            assert await refusal(refresh(db, tokens, pair.refresh_token, now=NOON))
        assert await refresh(db, tokens, bobs, now=NOON)

    async def test_thousands_of_devices_leaves_access_checks_as_fast(self, db):
        alice = await add_user(db)
        await sign_in(db, tokens, alice, now=NOON)
        await change(db, _ENDED_FAMILIES, alice.id, NOON)
        await change(db, "ANALYZE keyshop.token_families")

        async with db.transaction() as tx:
            before = await tx.fetchval(_ROWS_READ)
            found = await find_access(tx, alice.id)
            after = await tx.fetchval(_ROWS_READ)

        assert found is not None
        assert len(found.families) == 1
        assert after - before < 10


_ENDED_FAMILIES = """
    INSERT INTO keyshop.token_families
        (id, user_id, account_state, created_at, expires_at, revoked_at)
    SELECT 'ended-' || n, $1, 'any', $2, $2, $2 FROM generate_series(1, 3000) AS n
"""
_ROWS_READ = """
    SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
    WHERE relid = 'keyshop.token_families'::regclass
"""


class TestAccountThatChanges:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE users SET role = 'ADMIN'",
            f"UPDATE users SET \"passwordHash\" = '{NEW_HASH}'",
        ],
    )
    async def test_by_any_writer_cannot_be_refreshed(self, db, shared_url, sql):
        token = await signed_in_at_noon(db)
        other_writer = await asyncpg.connect(shared_url)
        await other_writer.execute(sql)
        await other_writer.close()

        assert await refusal(refresh(db, tokens, token, now=NOON)) == "Invalid refresh token"

    @pytest.mark.parametrize(
        ("there", "back"),
        [
            ("UPDATE users SET role = 'ADMIN'", "UPDATE users SET role = 'USER'"),
            (
                f"UPDATE users SET \"passwordHash\" = '{NEW_HASH}'",
                f"UPDATE users SET \"passwordHash\" = '{OLD_HASH}'",
            ),
        ],
    )
    async def test_and_changes_back_stays_signed_out(self, db, shared_url, there, back):
        token = await signed_in_at_noon(db)
        other_writer = await asyncpg.connect(shared_url)
        await other_writer.execute("SET session_replication_role = replica")
        await other_writer.execute(there)
        await other_writer.execute(back)
        await other_writer.close()

        assert await refusal(refresh(db, tokens, token, now=NOON)) == "Invalid refresh token"
        (family,) = await rows_of(db, "token_families")
        assert family["revoked_reason"] == "role or password changed"

    async def test_leaves_other_accounts_signed_in(self, db):
        token, bob = await signed_in_at_noon(db), await add_user(db)
        bobs = (await sign_in(db, tokens, bob, now=NOON)).refresh_token

        await change(
            db,
            "UPDATE users SET role = CASE id WHEN $1 THEN 'ADMIN'::\"Role\" ELSE role END",
            bob.id,
        )

        assert await refusal(refresh(db, tokens, bobs, now=NOON))
        assert await refresh(db, tokens, token, now=NOON)

    async def test_in_other_columns_can_be_refreshed(self, db):
        token = await signed_in_at_noon(db)
        await change(db, "UPDATE users SET nickname = 'Alicia', balance = 7")

        assert await refresh(db, tokens, token, now=NOON)

    async def test_to_a_new_hash_of_the_same_password_stays_signed_in(self, db):
        token = await signed_in_at_noon(db)
        user_id = tokens.read_refresh(token, now=NOON).user_id

        async with db.transaction() as tx:
            count = await rebind_to_new_hash(
                tx, user_id, old_hash=Secret(OLD_HASH), new_hash=Secret(NEW_HASH)
            )
            await tx.execute('UPDATE users SET "passwordHash" = $1', NEW_HASH)

        assert count == 1
        assert await refresh(db, tokens, token, now=NOON)

    async def test_does_not_revive_revoked_families(self, db):
        revoked, user = await signed_in_at_noon(db), await add_user(db)
        outdated = (await sign_in(db, tokens, user, now=NOON)).refresh_token
        family_id = tokens.read_refresh(revoked, now=NOON).fid
        await change(
            db, "UPDATE keyshop.token_families SET revoked_at = $2 WHERE id = $1", family_id, NOON
        )
        await change(db, "UPDATE users SET role = 'ADMIN' WHERE id = $1", user.id)
        await change(db, 'UPDATE users SET "passwordHash" = $1', NEW_HASH)

        for token in (revoked, outdated):
            user_id = tokens.read_refresh(token, now=NOON).user_id
            async with db.transaction() as tx:
                count = await rebind_to_new_hash(
                    tx, user_id, old_hash=Secret(OLD_HASH), new_hash=Secret(NEW_HASH)
                )
            assert count == 0
            assert await refusal(refresh(db, tokens, token, now=NOON))


class TestCleanup:
    async def test_deletes_what_has_expired_and_leaves_the_rest(self, db):
        alice = await add_user(db)
        await sign_in(db, tokens, alice, now=NOON - MONTH - SECOND)
        kept = await sign_in(db, tokens, alice, now=NOON - MONTH + SECOND)
        used = await refresh(db, tokens, kept.refresh_token, now=NOON)

        async with db.transaction() as tx:
            assert await delete_expired_families(tx, NOON + 2 * SECOND) == 2
        async with db.transaction() as tx:
            assert await delete_expired_families(tx, NOON + 2 * SECOND) == 0

        (family,) = await rows_of(db, "token_families")
        (token,) = await rows_of(db, "refresh_tokens")
        assert token["family_id"] == family["id"]
        assert await refresh(db, tokens, used.refresh_token, now=NOON + HOUR)

    async def test_keeps_a_revoked_family_for_operators_to_see(self, db):
        alice = await add_user(db)
        await sign_in(db, tokens, alice, now=NOON)

        async with db.transaction() as tx:
            await revoke_all(tx, alice.id, reason="lost phone", now=NOON)
            assert await delete_expired_families(tx, NOON + HOUR) == 0

        (family,) = await rows_of(db, "token_families")
        assert family["revoked_reason"] == "lost phone"

    async def test_of_many_families_invalidates_only_their_users(self, db):
        async with db.transaction() as tx:
            await tx.execute(_MANY_USERS)
            await tx.execute(_MANY_FAMILIES, NOON)
            await tx.execute("DELETE FROM keyshop.cache_outbox")

        async with db.transaction() as tx:
            while await delete_expired_families(tx, NOON + SECOND):
                pass
            notes = await tx.fetch("SELECT keys, groups FROM keyshop.cache_outbox")

        assert await rows_of(db, "token_families") == []
        assert sum(len(note["keys"]) for note in notes) == 600
        assert [note["groups"] for note in notes if note["groups"]] == []

    async def test_of_an_account_deletes_its_families(self, db):
        await signed_in_at_noon(db)

        await change(db, "DELETE FROM users")

        assert await rows_of(db, "token_families") == []
        assert await rows_of(db, "refresh_tokens") == []


_MANY_USERS = """
    INSERT INTO users (id, email, "passwordHash", "updatedAt")
    SELECT 'user-' || n, n || '@example.com', 'any', now() FROM generate_series(1, 600) AS n
"""
_MANY_FAMILIES = """
    INSERT INTO keyshop.token_families (id, user_id, account_state, created_at, expires_at)
    SELECT 'family-' || n, 'user-' || n, 'any', $1, $1 FROM generate_series(1, 600) AS n
"""


class TestAccount:
    async def test_is_read_with_the_hash_hidden(self, db):
        account = await get_account(db, (await add_user(db, role="ADMIN")).id)

        assert account.role == "ADMIN"
        assert account.password_hash.reveal() == OLD_HASH
        assert OLD_HASH not in repr(account)
