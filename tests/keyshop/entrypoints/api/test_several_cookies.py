"""Session cookies that a neighbouring subdomain has set beside the shop's own."""

import time

import pytest
from litestar.types import ASGIApp

from keyshop.baskets.owners import new_session_id
from tests.factories.browsers import Person, open_browser

JUNK = ["", "junk", '"', "a" * 65, "\x01"]


async def own_session(guest: Person, game: str) -> str:
    """Put a game into a cart, and return its session without the browser keeping it."""
    await guest.put(game)
    session = guest.session
    assert session is not None
    guest.client.cookies.clear()
    return session


def header_of(*sessions: str) -> dict[str, str]:
    return {"Cookie": "; ".join(f"sessionId={session}" for session in sessions)}


class TestSeveralCookies:
    @pytest.mark.parametrize("place", [0, 1, 2])
    async def test_show_the_live_basket(self, guest: Person, games, place: int):
        sessions = [new_session_id(), new_session_id()]
        sessions.insert(place, await own_session(guest, games[0]))

        shown = await guest.get("/api/cart", headers=header_of(*JUNK, *sessions))

        assert [line["gameId"] for line in shown["items"]] == [games[0]]

    async def test_write_to_the_live_basket(self, guest: Person, games):
        ours = await own_session(guest, games[0])
        tossed = header_of(new_session_id(), ours)

        await guest.do("POST", "/api/cart", {"gameId": games[1]}, headers=tossed)
        await guest.do("POST", "/api/wishlist", {"gameId": games[2]}, headers=tossed)

        assert guest.session == ours
        assert await guest.cart() == {games[0]: 1, games[1]: 1}
        assert await guest.wishlist() == {games[2]}

    @pytest.mark.parametrize("way", ["register", "login", "migrate"])
    async def test_move_the_live_basket_into_the_account(
        self, app: ASGIApp, guest: Person, games, way: str
    ):
        tossed = header_of(new_session_id(), await own_session(guest, games[0]))
        async with open_browser(app) as alice:
            if way == "register":
                await alice.register(headers=tossed)
            else:
                await alice.register()
            if way == "login":
                await alice.sign_in(alice.email, headers=tossed)
            elif way == "migrate":
                await alice.do("POST", "/api/cart/migrate", headers=tossed)

            assert await alice.cart() == {games[0]: 1}

    async def test_of_two_live_baskets_show_the_one_that_the_browser_names_first(
        self, guest: Person, games
    ):
        first, second = [await own_session(guest, game) for game in games[:2]]

        shown = await guest.get("/api/cart", headers=header_of(new_session_id(), second, first))

        assert [line["gameId"] for line in shown["items"]] == [games[1]]

    async def test_without_a_live_one_are_replaced(self, guest: Person, games):
        tossed = [new_session_id() for _ in range(1_000)]

        await guest.do("POST", "/api/cart", {"gameId": games[0]}, headers=header_of(*tossed))

        assert guest.session not in {None, *tossed}
        assert await guest.cart() == {games[0]: 1}

    @pytest.mark.parametrize("unit", ["sessionId=;", "; ", "sessionId", "a=b;", " ;\t", "="])
    async def test_are_read_in_time_that_grows_with_their_length(self, guest: Person, unit: str):
        def header(length: int) -> dict[str, str]:
            return {"Cookie": unit * (length // len(unit))}

        async def seconds(length: int) -> float:
            began = time.process_time()
            await guest.get("/api/cart", headers=header(length))
            return time.process_time() - began

        await seconds(1_000)

        # Ten times what it takes; with the square of the length it would be hours.
        assert await seconds(1_000_000) < 1
