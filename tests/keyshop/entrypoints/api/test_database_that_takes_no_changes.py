"""The shop while PostgreSQL takes no changes: reads go on, and writes say when to come back."""

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import PASSWORD, Person, message_of, open_browser
from tests.factories.games import make_game
from tests.factories.hostile import powerless_role
from tests.factories.refusing_postgres import refusing

_FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file "base/5/1": No space left on device'
        USING ERRCODE = '{}'; END $$
"""
_FULL_CARTS = "CREATE TRIGGER full_disk BEFORE INSERT ON cart_items EXECUTE FUNCTION full_disk()"


@pytest_asyncio.fixture
async def game(db: Database) -> str:
    return await make_game(db)


async def run(db: Database, *statements: str) -> None:
    async with db.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


def requests(game: str, email: str) -> list[tuple[str, str, dict[str, str]]]:
    account = {"email": email, "password": PASSWORD}
    return [
        ("POST", "/api/auth/register", account | {"email": "new@example.com"}),
        ("POST", "/api/auth/login", account),
        ("POST", "/api/auth/forgot-password", {"email": email}),
        ("POST", "/api/cart", {"gameId": game}),
        ("POST", "/api/wishlist", {"gameId": game}),
    ]


async def assert_refused(person: Person, method: str, path: str, given: dict[str, str]) -> None:
    answer = await person.request(method, path, json=given)

    assert answer.status_code == 503, (path, answer.text)
    assert answer.headers["retry-after"] == "5"
    assert message_of(answer) in {
        "The shop cannot save changes at the moment. Please try again later.",
        "The shop is too busy for this request at the moment. Please try again.",
        "The database cannot be reached at the moment. Please try again.",
    }


class TestReadOnlyDatabase:
    async def test_shows_everything_and_refuses_changes_until_it_takes_them_again(
        self, db: Database, database_url: str, game: str
    ):
        app = make_app(db)
        async with open_browser(app) as alice, open_browser(app) as guest:
            await alice.register()
            await alice.put(game)
            await guest.put(game)

            async with refusing(database_url, "read-only"):
                for method, path, given in requests(game, alice.email):
                    await assert_refused(guest, method, path, given)
                await assert_refused(alice, "POST", "/api/cart", {"gameId": game})
                for person in (alice, guest):
                    assert await person.cart() == {game: 1}
                    assert await person.wishlist() == set()
                    await person.get(f"/api/games/{game}")
                    await person.get("/api/games?q=a")
                await alice.get("/api/auth/me")

            # Connections that were opened meanwhile would stay read-only.
            await guest.put(game)
            await alice.wish(game)
            assert await guest.cart() == {game: 2}
            assert await alice.wishlist() == {game}


class TestFullDisk:
    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("53100", "its disk is full"),
            ("53200", "it is out of memory"),
            ("53000", "it has reached a limit"),
            ("58030", "its system reports an error"),
        ],
    )
    async def test_refuses_the_change_and_shows_what_is_there(
        self, db: Database, game: str, code: str, reason: str
    ):
        async with open_browser(make_app(db)) as alice:
            await alice.register()
            await run(db, _FULL.format(code), _FULL_CARTS)

            await assert_refused(alice, "POST", "/api/cart", {"gameId": game})

            assert await alice.cart() == {}
            # Of the process that was refused.
            health = (await alice.request("GET", "/health")).json()
            assert (health["status"], health["checks"]["database"]) == ("degraded", "ok")
            assert health["reasons"] == {"database": f"The database refuses changes: {reason}."}

    async def test_is_forgotten_after_half_a_minute(
        self, db: Database, game: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("keyshop.kit.database.pool._REFUSAL_AGE", 0.0)
        async with open_browser(make_app(db)) as alice:
            await alice.register()
            await run(db, _FULL.format("53100"), _FULL_CARTS)
            await assert_refused(alice, "POST", "/api/cart", {"gameId": game})

            health = (await alice.request("GET", "/health")).json()
            assert health["status"] == "ok"


class TestDatabaseThatIsRestored:
    async def test_asks_to_try_again(self, db: Database, database_url: str, game: str):
        async with open_browser(make_app(db)) as guest:
            async with refusing(database_url, "closed for a restore"):
                await assert_refused(guest, "POST", "/api/cart", {"gameId": game})
                assert (await guest.request("GET", f"/api/games/{game}")).status_code == 503

            await guest.put(game)

    # The rows are there before the constraints.
    async def test_asks_to_try_again_while_constraints_are_missing(self, db: Database):
        await run(db, "DROP INDEX users_email_key")
        async with open_browser(make_app(db)) as guest:
            account = {"email": "alice@example.com", "password": PASSWORD}
            answer = await guest.request("POST", "/api/auth/register", json=account)

            assert answer.status_code == 503
            assert "is being changed" in message_of(answer)


_MAY_READ = """
    GRANT USAGE ON SCHEMA public, keyshop TO {role};
    GRANT SELECT ON ALL TABLES IN SCHEMA public, keyshop TO {role};
"""


class TestRoleWithoutPrivileges:
    @pytest.mark.parametrize("grants", ["", _MAY_READ])
    async def test_asks_to_try_again_and_logs_what_is_missing_once(
        self, database_url: str, game: str, grants: str
    ):
        async with powerless_role(database_url, grants) as url:
            powerless = Database(url, guard=RedisCommitGuard(None))
            await powerless.open()
            try:
                with capture_logs() as logs:
                    async with open_browser(make_app(powerless)) as guest:
                        for method, path, given in requests(game, "alice@example.com") * 2:
                            answer = await guest.request(method, path, json=given)
                            assert answer.status_code in {401, 503}, (path, answer.text)
                        shown = await guest.request("GET", f"/api/games/{game}")
            finally:
                await powerless.close()

        assert shown.status_code == (200 if grants else 503)
        assert "has no access" in message_of(answer)
        reasons = [line["reason"] for line in logs if line["event"] == "database.privilege_missing"]
        assert len(reasons) == len(set(reasons))
        assert all(reason.startswith("permission denied") for reason in reasons)


class TestCancelledStatement:
    async def test_asks_to_try_again(self, db: Database, game: str):
        async with open_browser(make_app(db)) as alice:
            await alice.register()
            # What PostgreSQL raises beyond `statement_timeout`, and when an administrator cancels.
            await run(db, _FULL.format("57014"), _FULL_CARTS)

            await assert_refused(alice, "POST", "/api/cart", {"gameId": game})


class TestCollisionOutsideARepeatedTransaction:
    # Of a serializable default, and of a standby that cancels reads which hold up its recovery.
    @pytest.mark.parametrize("code", ["40001", "40P01"])
    async def test_asks_to_try_again(self, db: Database, game: str, code: str):
        async with open_browser(make_app(db)) as alice:
            await alice.register()
            await run(db, _FULL.format(code), _FULL_CARTS)

            answer = await alice.request("POST", "/api/cart", json={"gameId": game})

            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
