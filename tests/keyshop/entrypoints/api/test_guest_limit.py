"""New guest sessions of one client are limited, over HTTP."""

import pytest
from litestar.types import ASGIApp
from msgspec.structs import replace

from keyshop.baskets.settings import BasketLimits
from keyshop.kit.database.pool import Database
from tests.factories.account_services import BASKETS
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, open_browser

_PER_HOUR = 8
_AT_ONCE = 4


@pytest.fixture
def strict_app(stocked: Database) -> ASGIApp:
    """The API, with eight new guest sessions of a client in an hour, four at once."""
    limits = BasketLimits(guest_sessions_per_hour=_PER_HOUR)
    return make_app(stocked, baskets=replace(BASKETS, limits=limits))


async def begin_all_sessions(guest: Person, game: str) -> str:
    """Begin as many sessions as are allowed at once, and return the last one."""
    for begin in (guest.put, guest.wish) * (_AT_ONCE // 2):
        guest.client.cookies.clear()
        await begin(game)
    assert guest.session is not None
    return guest.session


class TestTooManyNewGuests:
    @pytest.mark.parametrize("path", ["/api/cart", "/api/wishlist"])
    async def test_are_answered_429_with_the_time_to_wait(self, strict_app, games, path):
        async with open_browser(strict_app) as guest:
            await begin_all_sessions(guest, games[0])
            guest.client.cookies.clear()

            refused = await guest.request("POST", path, json={"gameId": games[0]})

            assert refused.status_code == 429
            assert message_of(refused).startswith("Too many attempts. Please wait")
            # One session is free every quarter of an hour.
            assert 14 * 60 < int(refused.headers["retry-after"]) <= 15 * 60
            assert "set-cookie" not in refused.headers
            assert refused.headers["cache-control"] == "no-store"
            # Looking begins no session.
            assert await guest.cart() == {}

    async def test_do_not_stop_a_guest_with_a_session(self, strict_app, games):
        async with open_browser(strict_app) as guest:
            guest.take_session(await begin_all_sessions(guest, games[0]))

            await guest.put(games[1])
            await guest.wish(games[2])

            assert games[1] in await guest.cart()

    async def test_do_not_stop_a_customer_or_another_client(self, strict_app, games):
        async with open_browser(strict_app) as guest, open_browser(strict_app) as other:
            await begin_all_sessions(guest, games[0])
            guest.client.cookies.clear()

            await guest.register()
            await guest.put(games[0])
            await other.put(games[0])

            assert await guest.cart() == await other.cart() == {games[0]: 1}

    async def test_are_those_that_were_not_refused_for_another_reason(self, strict_app, games):
        async with open_browser(strict_app) as guest:
            for _ in range(2 * _AT_ONCE):
                answer = await guest.request("POST", "/api/cart", json={"gameId": "no-such-game"})
                assert answer.status_code == 404

            await begin_all_sessions(guest, games[0])
