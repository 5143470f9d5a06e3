"""What customers see, and what they keep, when parts of the shop fail."""

import asyncio

import pytest
from msgspec.structs import replace

from keyshop.accounts.passwords import PasswordPool
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from tests.factories.account_services import account_services
from tests.factories.api_app import make_app
from tests.factories.browsers import PASSWORD, message_of, new_email, open_browser
from tests.factories.customers import lost_after_commit
from tests.factories.games import make_game
from tests.keyshop.kit.test_commit import Forsaken

_JAM = """
    CREATE FUNCTION jam() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no cart today'; END $$
"""
_JAM_CARTS = "CREATE TRIGGER jam BEFORE INSERT ON cart_items EXECUTE FUNCTION jam()"
_FREE_CARTS = "DROP TRIGGER jam ON cart_items; DROP FUNCTION jam()"

REQUESTS = [
    ("POST", "/api/auth/register", {"email": "a@example.com", "password": PASSWORD}),
    ("POST", "/api/auth/login", {"email": "a@example.com", "password": PASSWORD}),
    ("POST", "/api/auth/forgot-password", {"email": "a@example.com"}),
    ("POST", "/api/cart", {"gameId": "some-game"}),
    ("POST", "/api/wishlist", {"gameId": "some-game"}),
]


async def run(db: Database, *statements: str) -> None:
    async with db.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


class TestBasketThatCannotMove:
    async def test_stays_with_the_guest_and_can_be_moved_later(self, guest, alice, games, stocked):
        await guest.put(games[0])
        before = guest.session

        await run(stocked, _JAM, _JAM_CARTS)
        try:
            data = await guest.sign_in(alice.email)
        finally:
            await run(stocked, *_FREE_CARTS.split("; "))

        assert data["migration"] is None
        assert guest.session == before
        assert await alice.cart() == {}
        body = await guest.do("POST", "/api/cart/migrate")
        assert body["data"]["migration"]["counts"]["merged"] == 1
        assert await alice.cart() == {games[0]: 1}

    async def test_stays_with_the_guest_when_the_database_is_lost_after_the_sign_in(
        self, db: Database, database_url: str
    ):
        game = await make_game(db)
        async with open_browser(make_app(db)) as alice, open_browser(make_app(db)) as guest:
            await alice.register()
            await guest.put(game)
            before = str(guest.session)

            async with (
                lost_after_commit(database_url) as leaving,
                open_browser(make_app(leaving)) as same_guest,
            ):
                same_guest.take_session(before)
                data = await same_guest.sign_in(alice.email)
                assert same_guest.session == before

            assert data["migration"] is None
            assert await alice.cart() == {}
            assert await guest.cart() == {game: 1}
            again = await guest.sign_in(alice.email)
            assert again["migration"]["counts"]["merged"] == 1
            assert guest.session is None
            assert await alice.cart() == {game: 1}


class TestDatabaseThatIsAway:
    @pytest.mark.parametrize(("method", "path", "given"), REQUESTS)
    async def test_is_reported_with_the_time_to_wait(self, method: str, path: str, given):
        db = Database("postgresql://nobody@127.0.0.1:1/nothing", guard=RedisCommitGuard(None))
        app = make_app(db)

        async with open_browser(app) as guest:
            answer = await guest.request(method, path, json=given)

        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["cache-control"] == "no-store"
        assert message_of(answer)


class TestDatabaseThatLeavesAtTheCommit:
    async def test_does_not_invite_the_customer_to_retry(self, db: Database, database_url: str):
        game = await make_game(db)
        leaving = Database(database_url, guard=Forsaken(DatabaseUnavailable))
        await leaving.open()
        app = make_app(leaving)

        async with open_browser(app) as guest:
            answer = await guest.request("POST", "/api/cart", json={"gameId": game})
        await leaving.close()

        assert answer.status_code == 503
        assert "retry-after" not in answer.headers
        assert message_of(answer).endswith("Please check before you try again.")


class TestManySimultaneousVisitors:
    async def test_above_the_limit_are_asked_to_try_again(self, stocked: Database):
        passwords = PasswordPool(threads=1, queue=1, cost=8)
        app = make_app(stocked, accounts=replace(account_services(), passwords=passwords))

        async def sign_in():
            given = {"email": new_email(), "password": PASSWORD}
            async with open_browser(app) as person:
                return await person.request("POST", "/api/auth/login", json=given)

        answers = await asyncio.gather(*(sign_in() for _ in range(12)))
        async with open_browser(app) as person:
            alive = await person.request("GET", "/live")
        passwords.close()

        assert {answer.status_code for answer in answers} == {401, 503}
        busy = [answer for answer in answers if answer.status_code == 503]
        assert all(int(answer.headers["retry-after"]) > 0 for answer in busy)
        assert alive.status_code == 200
