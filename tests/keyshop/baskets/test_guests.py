"""The sessions of visitors who are not signed in: how they begin, continue and end."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any

import pytest

from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.delete_expired_sessions import delete_expired_sessions
from keyshop.baskets.errors import NotInCart
from keyshop.baskets.models import Visitor
from keyshop.baskets.owners import new_session_id
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.settings import BasketLimits
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_user_wishlist, show_whether_wished, show_wishlist
from keyshop.kit.client_limits import CLIENTS_OF_SITE
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import TooMany
from keyshop.kit.ids import new_id
from keyshop.storefront.errors import GameNotFound
from tests.factories.baskets import (
    LIMITS,
    NEW_VISITOR,
    NO_CACHE,
    cart_of,
    count_rows,
    make_guest,
    make_user,
    put,
    wish,
    wishes_of,
)
from tests.factories.games import NOON

DAY = timedelta(hours=24)
MOMENT = timedelta(milliseconds=1)

Write = Callable[[Database, Visitor, str], Awaitable[str | None]]

# Requests that create a session, and requests that do not.
FIRST_WRITES: dict[str, Write] = {
    "cart": lambda db, visitor, game: add_to_cart(db, visitor, game, 1, limits=LIMITS, now=NOON),
    "wishlist": lambda db, visitor, game: add_wish(db, visitor, game, limits=LIMITS, now=NOON),
}
REMOVALS: dict[str, Write] = {
    "line": lambda db, visitor, game: remove_from_cart(db, visitor, game, now=NOON),
    "quantity": lambda db, visitor, game: set_quantity(
        db, visitor, game, 0, limits=LIMITS, now=NOON
    ),
    "cart": lambda db, visitor, _: clear_cart(db, visitor, now=NOON),
    "wish": lambda db, visitor, game: remove_wish(db, visitor, game, now=NOON),
}

MALFORMED = [
    "",
    "x",
    "\0",
    "a" * 21,
    "a" * 65,
    "a" * 1_000_000,
    "é" * 32,
    "\ud800" * 32,
    "a" * 30 + "'--",
    "a" * 31 + "\n",
]


async def visitors_without_session(db: Database) -> list[Visitor]:
    """Return visitors whose cookies name no live session."""
    alice = await make_user(db)
    expired = await make_guest(db, life=-MOMENT)
    return [
        NEW_VISITOR,
        expired,
        # Another user's id, and an id that was never issued.
        Visitor(session_id=alice.user_id),
        Visitor(session_id=new_session_id()),
        *(Visitor(session_id=cookie) for cookie in MALFORMED),
    ]


class TestRead:
    async def test_writes_nothing_for_any_visitor(self, db: Database, games: list[str]):
        guest, alice = await make_guest(db), await make_user(db)
        await put(db, guest, games[0])
        visitors = [guest, alice, *await visitors_without_session(db)]
        before = await count_rows(db)

        for visitor in visitors:
            for show in (show_cart, show_wishlist, show_user_wishlist):
                await show(db, NO_CACHE, visitor, now=NOON + timedelta(hours=1))
            await show_whether_wished(
                db, NO_CACHE, visitor, games[0], now=NOON + timedelta(hours=1)
            )

        assert await count_rows(db) == before

    async def test_gives_nothing_to_foreign_cookies(self, db: Database, games: list[str]):
        alice = await make_user(db)
        await put(db, alice, *games)
        await wish(db, alice, *games)

        for visitor in [Visitor(session_id=alice.user_id), *await visitors_without_session(db)]:
            assert await cart_of(db, visitor) == {}
            assert await wishes_of(db, visitor) == []

    async def test_of_a_user_shows_nothing_of_the_cookie(self, db: Database, games: list[str]):
        guest, alice = await make_guest(db), await make_user(db)
        await put(db, guest, games[0])
        await wish(db, guest, games[0])

        signed_in = Visitor(user_id=alice.user_id, session_id=guest.session_id)

        assert await cart_of(db, signed_in) == {}
        assert await wishes_of(db, signed_in) == []

    async def test_finds_a_session_until_its_last_moment(self, db: Database, games: list[str]):
        guest = await make_guest(db)
        await put(db, guest, games[0])

        empty = await show_cart(db, NO_CACHE, NEW_VISITOR, now=NOON)
        assert await show_cart(db, NO_CACHE, guest, now=NOON + DAY) != empty
        assert await show_cart(db, NO_CACHE, guest, now=NOON + DAY + MOMENT) == empty


class TestFirstWrite:
    @pytest.mark.parametrize("write", FIRST_WRITES.values(), ids=FIRST_WRITES.keys())
    async def test_gives_a_visitor_without_live_session_a_new_one(
        self, db: Database, games: list[str], write: Write
    ):
        for visitor in await visitors_without_session(db):
            session_id = await write(db, visitor, games[0])

            assert session_id is not None
            assert len(session_id) == 32
            assert session_id != visitor.session_id
            found = Visitor(session_id=session_id)
            assert [*await cart_of(db, found), *await wishes_of(db, found)] == [games[0]]

    @pytest.mark.parametrize("write", FIRST_WRITES.values(), ids=FIRST_WRITES.keys())
    async def test_touches_no_user_whose_id_the_cookie_says(
        self, db: Database, games: list[str], write: Write
    ):
        alice = await make_user(db)
        await put(db, alice, games[1])
        before = await count_rows(db)

        await write(db, Visitor(session_id=alice.user_id), games[0])

        after = await count_rows(db)
        assert await cart_of(db, alice) == {games[1]: 1}
        assert await wishes_of(db, alice) == []
        for table in ("users", "cart_items", "wishlist"):
            assert after[table] == before[table]

    async def test_makes_no_user(self, db: Database, games: list[str]):
        await add_to_cart(db, NEW_VISITOR, games[0], 1, limits=LIMITS, now=NOON)

        assert await count_rows(db) == {
            "users": 0,
            "sessions": 1,
            "cart_items": 0,
            "wishlist": 0,
            "guest_cart_items": 1,
            "guest_wishlist_items": 0,
            "last_expiry": "2026-06-16 12:00:00",
        }

    async def test_of_a_user_asks_for_no_cookie(self, db: Database, games: list[str]):
        alice = await make_user(db)
        signed_in = Visitor(user_id=alice.user_id, session_id=new_session_id())

        for write in (*FIRST_WRITES.values(), *REMOVALS.values()):
            assert await write(db, signed_in, games[0]) is None

        assert (await count_rows(db))["sessions"] == 0

    async def test_finds_a_session_that_the_earlier_shop_made(self, db: Database, games: list[str]):
        session_id = new_id()
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO sessions (id, "sessionId", data, "expiresAt")'
                " VALUES ($1, $2, '{}', $3)",
                new_id(),
                session_id,
                NOON + DAY,
            )

        visitor = Visitor(session_id=session_id)
        cookie = await add_to_cart(db, visitor, games[0], 1, limits=LIMITS, now=NOON)

        assert cookie == session_id


class TestLaterWrite:
    @pytest.mark.parametrize("write", [*FIRST_WRITES.values(), *REMOVALS.values()])
    async def test_keeps_the_session_for_another_day(
        self, db: Database, games: list[str], write: Write
    ):
        guest = await make_guest(db, life=MOMENT)

        cookie = await write(db, guest, games[0])

        assert cookie == guest.session_id
        assert (await count_rows(db))["last_expiry"] == "2026-06-16 12:00:00"


class TestRemoval:
    @pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS.keys())
    async def test_makes_no_session(self, db: Database, games: list[str], remove: Write):
        visitors = await visitors_without_session(db)
        before = await count_rows(db)

        for visitor in visitors:
            assert await remove(db, visitor, games[0]) is None

        assert await count_rows(db) == before

    async def test_touches_no_user_whose_id_the_cookie_says(self, db: Database, games: list[str]):
        alice = await make_user(db)
        await put(db, alice, games[0])
        await wish(db, alice, games[0])
        thief = Visitor(session_id=alice.user_id)

        for remove in REMOVALS.values():
            await remove(db, thief, games[0])
        with pytest.raises(NotInCart):
            await set_quantity(db, thief, games[0], 9, limits=LIMITS, now=NOON)

        assert await cart_of(db, alice) == {games[0]: 1}
        assert await wishes_of(db, alice) == [games[0]]

    async def test_is_never_another_guests(self, db: Database, games: list[str]):
        guest, other = await make_guest(db), await make_guest(db)
        await put(db, guest, games[0])
        await wish(db, guest, games[0])

        for remove in REMOVALS.values():
            await remove(db, other, games[0])

        assert await cart_of(db, guest) == {games[0]: 1}
        assert await wishes_of(db, guest) == [games[0]]


class TestDeleteExpiredSessions:
    async def test_deletes_expired_sessions_with_their_lines_and_no_others(
        self, db: Database, games: list[str]
    ):
        stayed = await make_guest(db)
        gone = [await make_guest(db) for _ in range(3)]
        for guest in (stayed, *gone):
            await put(db, guest, games[0])
            await wish(db, guest, games[0])
        later = NOON + timedelta(hours=12)
        await add_wish(db, stayed, games[1], limits=LIMITS, now=later)

        batches = []
        for _ in range(3):
            async with db.transaction() as tx:
                now = NOON + DAY + MOMENT
                batches.append(await delete_expired_sessions(tx, now=now, limit=2))

        assert batches == [2, 1, 0]
        rows = await count_rows(db)
        assert rows["sessions"] == rows["guest_cart_items"] == 1
        assert rows["guest_wishlist_items"] == 2
        assert await cart_of(db, stayed) == {games[0]: 1}

    async def test_skips_guests_who_are_just_coming_back(self, db: Database, games: list[str]):
        guest = await make_guest(db)
        await put(db, guest, games[0])

        async def delete() -> int:
            async with db.transaction() as tx:
                return await delete_expired_sessions(tx, now=NOON + 2 * DAY)

        # In its own context, because this one has an open transaction.
        async with db.transaction() as tx:
            await tx.execute('UPDATE sessions SET "expiresAt" = $1', NOON + 3 * DAY)
            task = asyncio.create_task(delete(), context=Context())
            deleted = await asyncio.wait_for(task, timeout=5)

        assert deleted == 0
        assert await cart_of(db, guest) == {games[0]: 1}


class TestNewSessions:
    """Of one client, per hour."""

    LIMITS = BasketLimits(guest_sessions_per_hour=6)  # three at once

    async def _begin(self, db: Database, client: str | None, game: str, **more: Any) -> None:
        visitor = Visitor(client=client)
        when = more.get("now", NOON)
        if more.get("as_wish"):
            await add_wish(db, visitor, game, limits=self.LIMITS, now=when)
        else:
            await add_to_cart(db, visitor, game, 1, limits=self.LIMITS, now=when)

    async def test_are_limited_for_cart_and_wishlist_together(self, db, games):
        for as_wish in (True, False, True):
            await self._begin(db, "192.0.2.1", games[0], as_wish=as_wish)

        for as_wish in (True, False):
            with pytest.raises(TooMany) as refused:
                await self._begin(db, "192.0.2.1", games[0], as_wish=as_wish)
            assert refused.value.retry_after == 20 * 60
        await self._begin(db, "192.0.2.2", games[0])
        await self._begin(db, "192.0.2.1", games[0], now=NOON + timedelta(minutes=20))

    async def test_are_not_counted_when_none_begins(self, db, games):
        known = Visitor(client="192.0.2.3", session_id=(await make_guest(db)).session_id)
        customer = Visitor(client="192.0.2.3", user_id=(await make_user(db)).user_id)
        for _ in range(5):
            await add_to_cart(db, known, games[0], 1, limits=self.LIMITS, now=NOON)
            await add_to_cart(db, customer, games[0], 1, limits=self.LIMITS, now=NOON)
            with pytest.raises(GameNotFound):
                await self._begin(db, "192.0.2.3", "no-such-game")

        for _ in range(3):
            await self._begin(db, "192.0.2.3", games[0])

    async def test_are_not_more_when_they_begin_at_once(self, db, games):
        results = await asyncio.gather(
            *(self._begin(db, "192.0.2.4", games[0]) for _ in range(8)), return_exceptions=True
        )

        assert results.count(None) == 3
        assert sum(isinstance(each, TooMany) for each in results) == 5

    @pytest.mark.parametrize("per_hour", [1, 2, 7])
    async def test_are_never_more_in_any_hour(self, db, games, per_hour):
        limits = BasketLimits(guest_sessions_per_hour=per_hour)
        visitor = Visitor(client=f"192.0.2.{10 + per_hour}")
        begun: list[datetime] = []
        for minutes in range(0, 180, 5):
            now = NOON + timedelta(minutes=minutes)
            with suppress(TooMany):
                for _ in range(per_hour + 1):
                    await add_to_cart(db, visitor, games[0], 1, limits=limits, now=now)
                    begun.append(now)

        hour = timedelta(hours=1)
        counts = [sum(begin <= each < begin + hour for each in begun) for begin in begun]
        assert max(counts) <= per_hour
        assert len(begun) >= 3 * (per_hour // 2)

    async def test_are_limited_for_a_site_too(self, db, games):
        for number in range(3 * CLIENTS_OF_SITE):
            await self._begin(db, f"2001:db8:1:{number:x}::/64", games[0])

        with pytest.raises(TooMany):
            await self._begin(db, "2001:db8:1:ffff::/64", games[0])
        await self._begin(db, "2001:db8:2::/64", games[0])
