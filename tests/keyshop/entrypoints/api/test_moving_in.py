"""A guest's baskets move to the account, at sign-in and on request."""

import asyncio

import pytest
import pytest_asyncio

from keyshop.kit.database.pool import Database
from tests.factories.browsers import PASSWORD, Person, message_of, new_email, open_browser
from tests.factories.games import make_game

MIGRATIONS = ["/api/cart/migrate", "/api/wishlist/migrate", "/api/user/wishlist/migrate"]
NOTHING = {"cart": [], "wishlist": [], "counts": {"merged": 0, "capped": 0, "kept": 0}}


@pytest_asyncio.fixture
async def fading(stocked: Database):
    """A game that a test takes out of stock."""
    game_id = await make_game(stocked, title="Fading", slug="fading")
    yield game_id
    async with stocked.transaction() as tx:
        await tx.execute("DELETE FROM games WHERE id = $1", game_id)


async def sell_out(db: Database, game_id: str, *, in_stock: bool = False) -> None:
    """Take the game out of stock, or put it back."""
    async with db.transaction() as tx:
        await tx.execute('UPDATE games SET "inStock" = $2 WHERE id = $1', game_id, in_stock)


class TestRegistration:
    async def test_brings_the_guests_baskets_along(self, guest: Person, games):
        await guest.put(games[0], quantity=2)
        await guest.wish(games[1])

        data = await guest.register()

        [line], [wish] = data["migration"]["cart"], data["migration"]["wishlist"]
        assert (line["gameId"], line["quantity"], line["outcome"]) == (games[0], 2, "merged")
        assert (wish["gameId"], wish["outcome"]) == (games[1], "merged")
        assert await guest.cart() == {games[0]: 2}
        assert await guest.wishlist() == {games[1]}
        # Nothing stays behind, so the cookie is deleted.
        assert guest.session is None

    async def test_without_a_basket_moves_nothing(self, guest: Person):
        assert (await guest.register())["migration"] is None


class TestSignIn:
    async def test_adds_the_guests_baskets_to_the_customers(self, guest, alice, games):
        await alice.put(games[0], games[1], quantity=2)
        await alice.wish(games[0])
        await guest.put(games[0], games[2])
        await guest.wish(games[0], games[3])

        await guest.sign_in(alice.email)

        assert await alice.cart() == {games[0]: 3, games[1]: 2, games[2]: 1}
        assert await alice.wishlist() == {games[0], games[3]}

    async def test_says_what_reached_its_cap(self, guest, alice, games):
        await alice.put(games[0], quantity=98)
        await guest.put(games[0], quantity=5)

        data = await guest.sign_in(alice.email)

        [line] = data["migration"]["cart"]
        assert (line["quantity"], line["outcome"]) == (99, "capped")
        assert line["reason"]
        assert data["migration"]["counts"] == {"merged": 0, "capped": 1, "kept": 0}

    async def test_leaves_what_is_sold_out_with_the_guest(
        self, guest, alice, games, fading, stocked
    ):
        await guest.put(games[0], fading)
        before = guest.session
        await sell_out(stocked, fading)

        data = await guest.sign_in(alice.email)

        outcomes = {line["gameId"]: line["outcome"] for line in data["migration"]["cart"]}
        assert outcomes == {games[0]: "merged", fading: "kept"}
        assert await guest.cart() == {games[0]: 1}
        # Under a new, unpredictable session id.
        assert guest.session not in {None, before}
        assert str(guest.session) not in str(data)
        guest.token = ""
        assert await guest.cart() == {fading: 1}

    async def test_at_once_on_several_tabs_moves_a_basket_once(self, guest, alice, games):
        await guest.put(games[0], quantity=3)
        given = {"email": alice.email, "password": PASSWORD}

        answers = await asyncio.gather(
            *(guest.request("POST", "/api/auth/login", json=given) for _ in range(10))
        )

        assert {answer.status_code for answer in answers} == {200}
        moved = [a for a in answers if a.json()["data"]["migration"]]
        assert len(moved) == 1
        assert await alice.cart() == {games[0]: 3}

    async def test_reads_another_clients_header_when_there_is_no_cookie(
        self, app, guest, alice, games
    ):
        await guest.put(games[0])
        header = {"x-session-id": str(guest.session)}

        async with open_browser(app) as phone:
            await phone.sign_in(alice.email, headers=header)
            assert await phone.cart() == {games[0]: 1}

    async def test_prefers_the_cookie_to_the_header(self, app, guest, alice, games):
        await guest.put(games[0])
        async with open_browser(app) as other:
            await other.put(games[1])
            await other.sign_in(alice.email, headers={"x-session-id": str(guest.session)})

        assert await alice.cart() == {games[1]: 1}
        assert await guest.cart() == {games[0]: 1}

    async def test_that_is_refused_moves_nothing(self, guest, alice, games):
        await guest.put(games[0])

        answer = await guest.request(
            "POST", "/api/auth/login", json={"email": alice.email, "password": "Wrong-1"}
        )

        assert answer.status_code == 401
        assert await guest.cart() == {games[0]: 1}


class TestMigration:
    async def test_moves_what_a_guest_gathered_meanwhile(self, guest, games):
        await guest.put(games[0])
        await guest.wish(games[1])
        session = guest.session
        await guest.register()
        guest.token, token = "", guest.token
        assert session != guest.session
        await guest.put(games[2])
        await guest.wish(games[3])
        guest.token = token

        bodies = [await guest.do("POST", path) for path in MIGRATIONS[:2]]

        assert [body["message"] for body in bodies] == ["Cart migrated", "Wishlist migrated"]
        [line] = bodies[0]["data"]["migration"]["cart"]
        [wish] = bodies[1]["data"]["migration"]["wishlist"]
        assert (line["gameId"], wish["gameId"]) == (games[2], games[3])
        assert await guest.cart() == {games[0]: 1, games[2]: 1}
        assert await guest.wishlist() == {games[1], games[3]}

    async def test_finds_what_stayed_behind_by_the_cookie_of_before_the_sign_in(
        self, guest, alice, fading, stocked
    ):
        await guest.put(fading)
        await sell_out(stocked, fading)
        before = guest.session
        await guest.sign_in(alice.email)
        # The answer of a parallel addition arrives after the answer of the sign-in.
        guest.take_session(str(before))
        await sell_out(stocked, fading, in_stock=True)

        await guest.do("POST", "/api/cart/migrate")

        assert await alice.cart() == {fading: 1}

    async def test_of_both_at_once_as_pages_ask_for_it_loses_nothing(self, guest, alice, games):
        await guest.put(games[0])
        await guest.wish(games[1])
        guest.token = alice.token

        await asyncio.gather(*(guest.do("POST", path) for path in MIGRATIONS * 3))

        assert await alice.cart() == {games[0]: 1}
        assert await alice.wishlist() == {games[1]}

    @pytest.mark.parametrize("path", MIGRATIONS)
    async def test_without_a_cookie_is_refused(self, alice: Person, path: str):
        answer = await alice.request("POST", path)

        assert answer.status_code == 400
        assert message_of(answer) == "User ID and session ID required"

    @pytest.mark.parametrize("path", MIGRATIONS)
    @pytest.mark.parametrize("cookie", ["0" * 32, "x"])
    async def test_of_a_session_that_is_over_has_nothing_to_do(self, alice, path, cookie):
        alice.take_session(cookie)

        body = await alice.do("POST", path)

        assert body["data"] == {"migration": NOTHING}

    @pytest.mark.parametrize("path", MIGRATIONS)
    async def test_requires_a_sign_in(self, guest: Person, games, path: str):
        await guest.put(games[0])

        assert (await guest.request("POST", path)).status_code == 401
        assert await guest.cart() == {games[0]: 1}


class TestJourney:
    async def test_of_a_guest_who_becomes_a_customer_with_two_devices(self, app, games):
        email = new_email()
        async with open_browser(app) as laptop, open_browser(app) as phone:
            # A guest adds games on a laptop, and registers there.
            await laptop.put(games[0], quantity=2)
            await laptop.wish(games[1])
            await laptop.register(email=email)
            # As a guest on a phone, the same person adds others.
            await phone.put(games[0], games[2])
            await phone.wish(games[1], games[3])
            await phone.sign_in(email)

            # Both devices show the union.
            for device in (laptop, phone):
                assert await device.cart() == {games[0]: 3, games[2]: 1}
                assert await device.wishlist() == {games[1], games[3]}

            # A game removed on the phone is gone on the laptop; the phone signs out, the laptop stays signed in.
            await phone.do("DELETE", f"/api/cart/{games[0]}")
            await phone.do("POST", "/api/auth/logout")
            assert await laptop.cart() == {games[2]: 1}
            phone.token = ""
            assert await phone.cart() == {}
