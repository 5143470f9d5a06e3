"""A visitor becomes a customer, completely or not at all."""

import asyncio

import asyncpg
import pytest
from structlog.testing import capture_logs

from keyshop.accounts.check_access import check_access
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import AccountInvalid, EmailTaken
from keyshop.accounts.models import Role, SignInResult
from keyshop.accounts.passwords import PasswordPool, PasswordsBusy
from keyshop.accounts.register import register
from keyshop.accounts.rules import REGISTRATIONS_PER_CLIENT
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database, in_transaction
from keyshop.kit.errors import TooMany
from tests.factories.baskets import BASKETS
from tests.factories.customers import (
    ALICE,
    MINUTE,
    PASSWORD,
    add_alice,
    caller,
    carts,
    count,
    failed_migrations,
    guest_with,
    jobs,
    lost_after_commit,
    make_account_services,
    refused_inserts,
    registration,
    select_rows,
)
from tests.factories.games import NOON, make_game

WRITTEN = (
    "users",
    "login_history",
    "keyshop.token_families",
    "keyshop.refresh_tokens",
    "keyshop.email_tokens",
    "keyshop.pgqueuer",
)


class WatchedPool(PasswordPool):
    """A pool that records whether a transaction is open when it hashes."""

    def __init__(self) -> None:
        super().__init__(cost=4)
        self.seen: list[bool] = []

    async def hash(self, password: str, *, client: str = "") -> str:
        self.seen.append(in_transaction())
        return await super().hash(password, client=client)


class TestRegistering:
    async def test_makes_an_account_that_is_signed_in_and_welcomed(self, db, parts) -> None:
        new = await add_alice(db, parts, first_name=" Alice ", last_name="")

        assert new.account.email == ALICE
        assert (new.account.nickname, new.account.role) == ("Alice", Role.USER)
        assert (new.account.first_name, new.account.last_name) == ("Alice", None)
        assert not new.account.email_verified
        assert new.migration is None
        signed_in = await check_access(db, PassThrough(), parts.tokens, new.tokens.token, now=NOON)
        assert signed_in.user_id == new.account.id
        [(name, job)] = await jobs(db)
        assert (name, job["user_id"]) == ("mail_welcome", new.account.id)
        [proof] = await select_rows(db, "SELECT * FROM keyshop.email_tokens")
        assert (proof["id"], proof["email"]) == (job["proof_id"], ALICE)
        assert proof["expires_at"] == NOON + 15 * MINUTE

    async def test_keeps_only_a_hash_of_the_password(self, db, parts) -> None:
        new = await add_alice(db, parts)

        assert new.account.password_hash.reveal().startswith("$2b$")
        assert PASSWORD not in repr(await select_rows(db, "SELECT * FROM users"))
        assert PASSWORD not in repr(registration())

    async def test_gives_a_default_nickname(self, db, parts) -> None:
        new = await add_alice(db, parts, nickname=None)

        assert new.account.nickname == "Newbie Guy"

    async def test_stores_the_address_in_its_normal_form(self, db, parts) -> None:
        new = await add_alice(db, parts, email=" J.Doe+shop@GoogleMail.com ")

        assert new.account.email == "jdoe@gmail.com"
        with pytest.raises(EmailTaken, match=r"^User with this email already exists$"):
            await add_alice(db, parts, email="jdoe@gmail.com")

    async def test_brings_the_guests_cart_along(self, db, parts) -> None:
        game_id = await make_game(db)
        session_id = await guest_with(db, game_id, 2)

        new = await add_alice(db, parts, session_id=session_id)

        assert await carts(db) == {new.account.id: {game_id: 2}}
        assert new.migration is not None
        assert new.migration.remaining_session_id is None

    @pytest.mark.parametrize("table", WRITTEN)
    async def test_leaves_nothing_when_a_part_of_it_fails(self, db, parts, table) -> None:
        session_id = await guest_with(db, await make_game(db))
        before = await carts(db)

        async with refused_inserts(db, table):
            with pytest.raises(asyncpg.RaiseError):
                await add_alice(db, parts, session_id=session_id)

        assert [await count(db, written) for written in WRITTEN] == [0] * len(WRITTEN)
        assert await carts(db) == before

    async def test_succeeds_without_a_cart_that_cannot_be_moved(self, db, parts) -> None:
        session_id = await guest_with(db, await make_game(db))
        before = await carts(db)

        async with refused_inserts(db, "cart_items"):
            new = await add_alice(db, parts, session_id=session_id)

        assert new.migration is None
        assert await carts(db) == before
        assert await count(db, "users") == 1

    async def test_succeeds_without_the_cart_when_the_database_is_lost_after_the_commit(
        self, db, shared_url, parts
    ) -> None:
        session_id = await guest_with(db, await make_game(db))
        before = await carts(db)

        with capture_logs() as logs:
            async with lost_after_commit(shared_url) as leaving:
                new = await add_alice(leaving, parts, session_id=session_id)

        assert new.migration is None
        assert failed_migrations(logs) == [("warning", "DatabaseUnavailable")]
        assert await carts(db) == before
        assert [await count(db, written) for written in WRITTEN] == [1] * len(WRITTEN)

    async def test_hashes_before_its_transaction(self, db) -> None:
        passwords = WatchedPool()

        await add_alice(db, make_account_services(passwords))

        passwords.close()
        assert passwords.seen == [False]

    async def test_hashes_nothing_for_an_address_that_is_taken(self, db) -> None:
        passwords = WatchedPool()
        parts = make_account_services(passwords)
        await add_alice(db, parts)

        with pytest.raises(EmailTaken):
            await add_alice(db, parts)

        passwords.close()
        assert len(passwords.seen) == 1

    async def test_lets_one_of_fifty_at_a_time_have_the_address(self, db, parts) -> None:
        async def attempt(number: int) -> SignInResult:
            wanted = registration(email="J.Doe" + "+x" * (number % 3) + "@gmail.com")
            return await register(
                db, parts, BASKETS, wanted, caller(address=f"192.0.2.{number}"), now=NOON
            )

        outcomes = await asyncio.gather(*map(attempt, range(50)), return_exceptions=True)

        assert [type(each) for each in outcomes].count(SignInResult) == 1
        assert {str(each) for each in outcomes if not isinstance(each, SignInResult)} == {
            "User with this email already exists"
        }
        assert [await count(db, written) for written in WRITTEN] == [1] * len(WRITTEN)

    async def test_is_limited_for_each_client(self, db, parts) -> None:
        async def attempt(address: str) -> None:
            await register(db, parts, BASKETS, registration(), caller(address=address), now=NOON)

        outcomes = await asyncio.gather(
            *(attempt(f"2001:db8:0:1::{number:x}") for number in range(102)),
            return_exceptions=True,
        )
        refused = [each for each in outcomes if isinstance(each, TooMany)]

        assert len(refused) == 102 - REGISTRATIONS_PER_CLIENT.burst
        assert all(0 < each.retry_after <= 60 for each in refused)
        with pytest.raises(EmailTaken):
            await attempt("2001:db8:0:2::1")


class TestRegistrationForm:
    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"email": "no-address"}, "email must be"),
            ({"email": "alice@example.com\x00"}, "email must be"),
            ({"password": ""}, "password must be at least 8"),
            ({"password": "Ab1defg"}, "password must be at least 8"),
            ({"password": "passw0rd"}, "password must contain"),
            ({"password": "PASSW0RD"}, "password must contain"),
            ({"password": "Password"}, "password must contain"),
            ({"password": "Passw0rd" + "x" * 65}, "password must be at most 72 bytes"),
            ({"password": "Passw0rd" + "ü" * 33}, "password must be at most 72 bytes"),
            ({"password": "Passw0rd\x00"}, "password must not contain"),
            ({"password": "Passw0rd\ud800"}, "password must not contain"),
            ({"nickname": "x"}, "nickname must have"),
            ({"nickname": " x "}, "nickname must have"),
            ({"nickname": "x" * 51}, "nickname must have"),
            ({"nickname": "Alice\r\nBcc: bob@example.com"}, "nickname must not contain"),
            ({"nickname": "Al\x00ice"}, "nickname must not contain"),
            ({"first_name": "x" * 101}, "firstName must have"),
            ({"last_name": "x" * 101}, "lastName must have"),
            ({"last_name": "\ud800"}, "lastName must not contain"),
        ],
    )
    async def test_is_refused_before_anything_is_counted_hashed_or_stored(
        self, no_db: Database, wrong: dict[str, str], sentence: str
    ) -> None:
        closed = PasswordPool(cost=4)
        closed.close()

        with pytest.raises(AccountInvalid, match=f"^Validation failed: {sentence}"):
            await add_alice(no_db, make_account_services(closed), **wrong)

    async def test_is_not_counted_when_the_password_queue_is_full(self, db, parts) -> None:
        busy = PasswordPool(threads=1, queue=0, cost=12)
        for number in range(5):
            under_way = asyncio.create_task(busy.hash("x"))
            await asyncio.sleep(0)
            with pytest.raises(PasswordsBusy):
                await add_alice(db, make_account_services(busy), email=f"alice{number}@example.com")
            await under_way
        busy.close()

        taken = await select_rows(db, "SELECT arrives_at FROM keyshop.rate_limits")
        assert [row["arrives_at"] for row in taken] == [NOON]

    @pytest.mark.parametrize(
        "fine",
        [
            {"password": "Passw0rd"},
            {"password": "Passw0rd" + "x" * 64},
            {"password": "Passw0rd" + "ü" * 32},
            {"nickname": "Al"},
            {"nickname": "ü" * 50},
            {"first_name": "x" * 100, "last_name": "y" * 100},
            {"first_name": None, "last_name": None},
        ],
    )
    async def test_is_accepted_at_the_limits(
        self, no_db: Database, parts: AccountServices, fine: dict[str, str]
    ) -> None:
        with pytest.raises(DatabaseUnavailable):
            await add_alice(no_db, parts, **fine)
