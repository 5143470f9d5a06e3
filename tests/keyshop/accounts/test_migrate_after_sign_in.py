"""A guest's baskets follow a sign-in, which never fails because of them."""

import asyncio
from contextvars import Context

import pytest
from structlog.testing import capture_logs

from keyshop.accounts.migrate_after_sign_in import migrate_after_sign_in
from keyshop.kit.database.errors import CommitOutcomeUnknown
from keyshop.kit.database.pool import Database
from tests.factories.baskets import BASKETS
from tests.factories.customers import add_alice, caller, carts, failed_migrations, guest_with
from tests.factories.games import NOON, make_game
from tests.keyshop.kit.test_commit import Forsaken


class TestMigrationAfterASignIn:
    async def test_may_end_at_a_commit_of_unknown_outcome(self, db, shared_url, parts) -> None:
        alice = (await add_alice(db, parts)).account
        game_id = await make_game(db)
        guest = caller(session_id=await guest_with(db, game_id, 2))
        leaving = Database(shared_url, guard=Forsaken(CommitOutcomeUnknown))
        await leaving.open()

        with capture_logs() as logs:
            migration = await migrate_after_sign_in(leaving, BASKETS, alice.id, guest, now=NOON)
        await leaving.close()

        assert migration is None
        assert failed_migrations(logs) == [("warning", "CommitOutcomeUnknown")]
        assert await carts(db) == {alice.id: {game_id: 2}}

    async def test_ends_when_the_request_is_cancelled(self, db, parts) -> None:
        alice = (await add_alice(db, parts)).account
        guest = caller(session_id=await guest_with(db, await make_game(db)))
        before = await carts(db)

        async with db.transaction() as other:
            await other.execute("SELECT FROM sessions FOR UPDATE")
            # In its own context, because this one has an open transaction.
            migrating = asyncio.create_task(
                migrate_after_sign_in(db, BASKETS, alice.id, guest, now=NOON), context=Context()
            )
            await asyncio.sleep(0.2)
            migrating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await migrating

        assert await carts(db) == before

    async def test_of_an_account_that_is_gone_leaves_everything_with_the_guest(
        self, db, parts
    ) -> None:
        guest = caller(session_id=await guest_with(db, await make_game(db)))
        before = await carts(db)

        with capture_logs() as logs:
            migration = await migrate_after_sign_in(db, BASKETS, "no such user", guest, now=NOON)

        assert migration is None
        assert failed_migrations(logs) == [("error", None)]
        assert await carts(db) == before
