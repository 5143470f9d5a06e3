"""A guest's cart and wishlist move to a user, each line exactly once, in spite of faults and parallel requests."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from keyshop.baskets.change_cart import add_to_cart
from keyshop.baskets.errors import AccountGone
from keyshop.baskets.migrate import migrate_baskets, migrate_part
from keyshop.baskets.models import MigratedLine, Migration, MigrationOutcome, Part, Visitor
from keyshop.baskets.owners import new_session_id
from keyshop.baskets.settings import BasketLimits
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from tests.factories.baskets import (
    BASKETS,
    LIMITS,
    cart_of,
    count_rows,
    make_guest,
    make_user,
    put,
    sell_out,
    wish,
    wishes_of,
)
from tests.factories.cached_shop import until
from tests.factories.games import NOON, make_game

OUT_OF_STOCK = "This game is out of stock."


async def sign_in(
    db: Database, user: Visitor, guest: Visitor, limits: BasketLimits = LIMITS
) -> Migration | None:
    """Migrate both baskets, as a sign-in does."""
    assert user.user_id is not None
    assert guest.session_id is not None
    async with db.transaction() as tx:
        return await migrate_baskets(
            tx,
            replace(BASKETS, limits=limits),
            user_id=user.user_id,
            session_id=guest.session_id,
            now=NOON,
        )


async def is_waiting_for_a_lock(tx: Transaction) -> bool:
    """Test whether a statement waits for a lock."""
    # Within a transaction PostgreSQL would show the same activity for ever.
    await tx.fetchval("SELECT pg_stat_clear_snapshot()")
    return bool(
        await tx.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
    )


def outcomes(lines: Sequence[MigratedLine]) -> dict[str, tuple[MigrationOutcome, int, str | None]]:
    """Return the outcome of each game."""
    return {line.game_id: (line.outcome, line.quantity, line.reason) for line in lines}


class TestMigration:
    async def test_moves_everything_and_ends_the_session(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games[:3], quantity=2)
        await wish(db, guest, *games[3:])

        migration = await sign_in(db, alice, guest)

        assert migration is not None
        assert migration.remaining_session_id is None
        assert outcomes(migration.report.cart) == dict.fromkeys(
            games[:3], (MigrationOutcome.MERGED, 2, None)
        )
        assert outcomes(migration.report.wishlist) == dict.fromkeys(
            games[3:], (MigrationOutcome.MERGED, 1, None)
        )
        assert migration.report.counts.merged == 6
        assert await cart_of(db, alice) == dict.fromkeys(games[2::-1], 2)
        assert await wishes_of(db, alice) == games[:2:-1]
        rows = await count_rows(db)
        assert rows["sessions"] == rows["guest_cart_items"] == rows["guest_wishlist_items"] == 0

    async def test_adds_to_what_the_user_has(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, alice, *games[:2], quantity=3)
        await put(db, guest, *games[1:3], quantity=2)

        migration = await sign_in(db, alice, guest)

        assert migration is not None
        assert outcomes(migration.report.cart) == {
            games[1]: (MigrationOutcome.MERGED, 5, None),
            games[2]: (MigrationOutcome.MERGED, 2, None),
        }
        assert await cart_of(db, alice) == {games[0]: 3, games[1]: 5, games[2]: 2}

    async def test_caps_quantities_above_the_limit_and_reports_them(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, alice, games[0], quantity=98)
        await put(db, alice, games[1], quantity=98)
        await put(db, guest, games[0], quantity=2)
        await put(db, guest, games[1], quantity=1)

        migration = await sign_in(db, alice, guest)

        assert migration is not None
        assert outcomes(migration.report.cart) == {
            games[0]: (MigrationOutcome.CAPPED, 99, "A cart holds at most 99 keys of one game."),
            games[1]: (MigrationOutcome.MERGED, 99, None),
        }
        assert (migration.report.counts.capped, migration.report.counts.merged) == (1, 1)
        assert await cart_of(db, alice) == {games[0]: 99, games[1]: 99}
        assert migration.remaining_session_id is None

    async def test_takes_nothing_from_a_user_above_the_present_limit(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, alice, games[0], quantity=50)
        await put(db, guest, *games[:2], quantity=20)

        migration = await sign_in(db, alice, guest, BasketLimits(max_quantity=10))

        assert migration is not None
        assert migration.report.counts.capped == 2
        assert await cart_of(db, alice) == {games[0]: 50, games[1]: 10}

    async def test_works_beside_a_quantity_that_another_program_wrote(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, alice, games[0])
        async with db.transaction() as tx:
            await tx.execute("UPDATE cart_items SET quantity = 2147483647")
        await put(db, guest, *games[:2])

        migration = await sign_in(db, alice, guest)

        assert migration is not None
        assert migration.report.counts.capped == 1
        assert await cart_of(db, alice) == {games[0]: 2_147_483_647, games[1]: 1}

    async def test_skips_wishes_that_the_user_has(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await wish(db, alice, *games[:2])
        await wish(db, guest, *games[1:3])

        migration = await sign_in(db, alice, guest)

        assert migration is not None
        assert outcomes(migration.report.wishlist) == {
            games[1]: (MigrationOutcome.MERGED, 1, "This game was already on the wishlist."),
            games[2]: (MigrationOutcome.MERGED, 1, None),
        }
        assert set(await wishes_of(db, alice)) == set(games[:3])
        assert migration.remaining_session_id is None

    async def test_leaves_what_is_out_of_stock_with_the_guest_under_another_id(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games[:2], quantity=4)
        await wish(db, guest, games[0])
        await sell_out(db, games[0])

        migration = await sign_in(db, alice, guest)

        assert migration is not None
        assert outcomes(migration.report.cart)[games[0]] == (MigrationOutcome.KEPT, 4, OUT_OF_STOCK)
        assert migration.report.counts.kept == 1
        assert migration.remaining_session_id not in {None, guest.session_id}
        assert await cart_of(db, Visitor(session_id=migration.remaining_session_id)) == {
            games[0]: 4
        }
        assert await cart_of(db, guest) == {}
        assert await cart_of(db, alice) == {games[1]: 4}
        # A game that cannot be bought can still be wished.
        assert await wishes_of(db, alice) == [games[0]]

    async def test_leaves_what_a_full_cart_and_wishlist_have_no_room_for(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        limits = BasketLimits(max_lines=2, max_wishes=2)
        await put(db, alice, games[0])
        await wish(db, alice, games[0])
        await put(db, guest, *games[:4])
        await wish(db, guest, *games[:4])

        migration = await sign_in(db, alice, guest, limits)

        # The newest comes first.
        assert migration is not None
        assert set(await cart_of(db, alice)) == {games[0], games[3]}
        assert set(await wishes_of(db, alice)) == {games[0], games[3]}
        full = "A cart holds at most 2 different games."
        assert outcomes(migration.report.cart)[games[1]] == (MigrationOutcome.KEPT, 1, full)
        assert outcomes(migration.report.wishlist)[games[1]][0] is MigrationOutcome.KEPT
        assert migration.report.counts.kept == 4
        left = Visitor(session_id=migration.remaining_session_id)
        assert set(await cart_of(db, left)) == set(await wishes_of(db, left)) == set(games[1:3])

    async def test_whose_answer_was_lost_can_be_repeated_by_the_same_user_only(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games[:2])
        await sell_out(db, *games[:2])
        lost = await sign_in(db, alice, guest)

        by_another = await sign_in(db, await make_user(db), guest)
        again = await sign_in(db, alice, guest)

        assert by_another is None
        assert lost is not None
        assert again is not None
        assert again.remaining_session_id == lost.remaining_session_id
        assert again.report == lost.report
        assert set(await cart_of(db, Visitor(session_id=again.remaining_session_id))) == set(
            games[:2]
        )

    async def test_in_several_tabs_at_once_gives_each_the_remaining_session(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games)
        await sell_out(db, games[0])

        done = await asyncio.gather(*(sign_in(db, alice, guest) for _ in range(5)))

        (left,) = {migration.remaining_session_id for migration in done if migration is not None}
        assert None not in done
        assert await cart_of(db, Visitor(session_id=left)) == {games[0]: 1}

    async def test_moves_the_rest_when_it_is_in_stock_again(
        self, db: Database, alice: Visitor, guest: Visitor
    ):
        game = await make_game(db)
        await put(db, guest, game)
        await sell_out(db, game)
        first = await sign_in(db, alice, guest)
        assert first is not None

        async with db.transaction() as tx:
            await tx.execute('UPDATE games SET "inStock" = true')
        second = await sign_in(db, alice, Visitor(session_id=first.remaining_session_id))

        assert second is not None
        assert second.remaining_session_id is None
        assert await cart_of(db, alice) == {game: 1}

    async def test_may_be_repeated(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games)

        migrations = [await sign_in(db, alice, guest) for _ in range(3)]

        assert [migration is None for migration in migrations] == [False, True, True]
        assert await cart_of(db, alice) == dict.fromkeys(games[::-1], 1)

    async def test_of_nothing_ends_an_empty_session(
        self, db: Database, alice: Visitor, guest: Visitor
    ):
        assert await sign_in(db, alice, guest) is None

        assert (await count_rows(db))["sessions"] == 0

    async def test_is_logged_with_its_counts_and_no_names(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games[:3])
        await wish(db, guest, games[0])
        await sell_out(db, games[0])

        with capture_logs() as logs:
            await sign_in(db, alice, guest)

        assert [entry for entry in logs if entry["event"] == "baskets.migrated"] == [
            {
                "event": "baskets.migrated",
                "log_level": "info",
                "lines": 3,
                "wishes": 1,
                "merged": 3,
                "capped": 0,
                "kept": 1,
            }
        ]


class TestForeignId:
    async def test_moves_nothing(self, db: Database, alice: Visitor, games: list[str]):
        bob = await make_user(db)
        await put(db, bob, *games)
        await wish(db, bob, *games)
        expired = await make_guest(db, life=timedelta(seconds=-1))
        before = await count_rows(db)

        for session_id in (
            bob.user_id,
            expired.session_id,
            new_session_id(),
            "",
            "\0",
            "a" * 100_000,
            "\ud800" * 30,
        ):
            assert await sign_in(db, alice, Visitor(session_id=session_id)) is None

        assert await count_rows(db) == before
        assert len(await cart_of(db, bob)) == len(games)

    async def test_of_a_user_who_is_gone_leaves_the_guest_everything(
        self, db: Database, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games)

        with pytest.raises(AccountGone):
            await sign_in(db, Visitor(user_id=new_id()), guest)

        assert len(await cart_of(db, guest)) == len(games)


class TestOnePart:
    async def test_leaves_the_other_and_the_id_alone(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        assert alice.user_id is not None
        await put(db, guest, games[0])
        await wish(db, guest, games[1])
        assert guest.session_id is not None
        owners = {"user_id": alice.user_id, "session_id": guest.session_id}

        of_cart = await migrate_part(db, BASKETS, Part.CART, **owners, now=NOON)

        assert of_cart is not None
        assert of_cart.remaining_session_id == guest.session_id
        assert await cart_of(db, alice) == {games[0]: 1}
        assert await wishes_of(db, guest) == [games[1]]
        assert await migrate_part(db, BASKETS, Part.CART, **owners, now=NOON) is None

        of_wishlist = await migrate_part(db, BASKETS, Part.WISHLIST, **owners, now=NOON)

        assert of_wishlist is not None
        assert of_wishlist.remaining_session_id is None
        assert await wishes_of(db, alice) == [games[1]]
        assert (await count_rows(db))["sessions"] == 0

    async def test_keeps_what_stays_behind_for_the_lifetime_of_the_cookie(
        self, db: Database, alice: Visitor, games: list[str]
    ):
        assert alice.user_id is not None
        guest = await make_guest(db, life=timedelta(minutes=1))
        assert guest.session_id is not None
        await put(db, guest, games[0])
        await sell_out(db, games[0])
        owners = {"user_id": alice.user_id, "session_id": guest.session_id}

        await migrate_part(db, BASKETS, Part.CART, **owners, now=NOON)
        later = await migrate_part(db, BASKETS, Part.CART, **owners, now=NOON + timedelta(hours=23))

        assert later is not None
        assert later.remaining_session_id == guest.session_id

    async def test_at_once_with_the_other_moves_both(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        assert alice.user_id is not None
        await put(db, guest, *games)
        await wish(db, guest, *games)
        await sell_out(db, games[0])

        await asyncio.gather(
            *(
                migrate_part(
                    db,
                    BASKETS,
                    part,
                    user_id=alice.user_id,
                    session_id=guest.session_id,
                    now=NOON,
                )
                for _ in range(5)
                for part in Part
            )
        )

        assert await cart_of(db, alice) == dict.fromkeys(games[:0:-1], 1)
        assert await wishes_of(db, alice) == games[::-1]
        assert await cart_of(db, guest) == {games[0]: 1}


class TestParallelMigrations:
    async def test_by_one_user_move_each_line_once(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, alice, games[0], quantity=10)
        await put(db, guest, *games, quantity=3)
        await wish(db, guest, *games)

        migrations = await asyncio.gather(*(sign_in(db, alice, guest) for _ in range(20)))

        assert sum(migration is not None for migration in migrations) == 1
        assert await cart_of(db, alice) == dict.fromkeys(games, 3) | {games[0]: 13}
        assert await wishes_of(db, alice) == games[::-1]

    async def test_by_different_users_give_everything_to_one(
        self, db: Database, guest: Visitor, games: list[str]
    ):
        users = [await make_user(db) for _ in range(20)]
        await put(db, guest, *games, quantity=3)
        await wish(db, guest, *games)
        await sell_out(db, games[0])

        migrations = await asyncio.gather(*(sign_in(db, user, guest) for user in users))

        done = [migration for migration in migrations if migration is not None]
        assert len(done) == 1
        carts = [cart for user in users if (cart := await cart_of(db, user))]
        assert carts == [dict.fromkeys(games[:0:-1], 3)]
        wishlists = [wishes for user in users if (wishes := await wishes_of(db, user))]
        assert wishlists == [games[::-1]]
        assert await cart_of(db, Visitor(session_id=done[0].remaining_session_id)) == {games[0]: 3}

    async def test_and_additions_of_the_guest_leave_each_line_under_the_answered_cookie(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, games[0])

        results = await asyncio.gather(
            *(sign_in(db, alice, guest) for _ in range(5)),
            *(add_to_cart(db, guest, games[0], 1, limits=LIMITS, now=NOON) for _ in range(10)),
        )

        cookies = {cookie for cookie in results if isinstance(cookie, str)}
        found = [alice, *(Visitor(session_id=cookie) for cookie in cookies)]
        assert sum([(await cart_of(db, owner)).get(games[0], 0) for owner in found]) == 11


class TestDeletedGames:
    async def test_are_waited_for_and_never_reported_as_moved(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        low, between, high = sorted(games[:3])
        await put(db, guest, low, between, high)

        async with db.transaction() as deleting:
            await deleting.execute("DELETE FROM games WHERE id = $1", low)
            migrating = asyncio.create_task(sign_in(db, alice, guest), context=Context())
            await until(lambda: is_waiting_for_a_lock(deleting))
            # In the order of their ids: the migration must not hold this one yet.
            await deleting.execute("DELETE FROM games WHERE id = $1", high)

        migration = await migrating
        assert migration is not None
        assert outcomes(migration.report.cart) == {between: (MigrationOutcome.MERGED, 1, None)}
        assert await cart_of(db, alice) == {between: 1}


class TestInterruptedMigration:
    async def test_leaves_everything_with_the_guest(
        self, db: Database, alice: Visitor, games: list[str]
    ):
        guest = await make_guest(db)
        await put(db, guest, *games)
        await wish(db, guest, *games)
        before = await count_rows(db)

        async def be_cut(tx: Transaction) -> None:
            assert alice.user_id is not None
            await migrate_baskets(
                tx,
                BASKETS,
                user_id=alice.user_id,
                session_id=guest.session_id,
                now=NOON,
            )
            await tx.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(DatabaseUnavailable):
            await db.run(be_cut, attempts=1)

        assert await count_rows(db) == before
        assert len(await cart_of(db, guest)) == len(await wishes_of(db, guest)) == len(games)

    async def test_that_fails_after_its_last_statement_leaves_everything_with_the_guest(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        await put(db, guest, *games)

        async def migrate_and_fail(tx: Transaction) -> None:
            assert alice.user_id is not None
            await migrate_baskets(
                tx, BASKETS, user_id=alice.user_id, session_id=guest.session_id, now=NOON
            )
            await tx.execute("SELECT 1 / 0")

        with pytest.raises(asyncpg.DivisionByZeroError):
            await db.run(migrate_and_fail, attempts=1)

        assert await cart_of(db, guest) == dict.fromkeys(games[::-1], 1)
        assert await cart_of(db, alice) == {}

    async def test_shows_nothing_to_other_connections_before_its_commit(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        assert alice.user_id is not None
        await put(db, guest, *games)

        async def count_lines() -> tuple[int, int]:
            return len(await cart_of(db, guest)), len(await cart_of(db, alice))

        async with db.transaction() as tx:
            await migrate_baskets(
                tx,
                BASKETS,
                user_id=alice.user_id,
                session_id=guest.session_id,
                now=NOON,
            )
            # In its own context, because this one has an open transaction.
            before = await asyncio.create_task(count_lines(), context=Context())

        assert before == (len(games), 0)
        assert await count_lines() == (0, len(games))
