"""Wrong passwords in a row lock an address for a while."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.accounts.addresses import normalise
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import WrongCredentials
from keyshop.accounts.lockout.errors import AttemptInProgress
from keyshop.accounts.lockout.failures import (
    counted_under,
    delete_old_failures,
    digest_of,
    digest_of_account,
    find_lock,
    forget_failures,
)
from keyshop.accounts.lockout.guard import PasswordAttempt, attempt_under_lockout
from keyshop.accounts.lockout.models import FailureCounter, FailureSummary
from keyshop.accounts.lockout.rules import MAX_LOCK, lock_duration
from keyshop.accounts.models import SignInResult
from keyshop.accounts.passwords import PasswordPool, PasswordsBusy
from keyshop.accounts.queries import find_account_by_spellings
from keyshop.accounts.rules import SIGN_INS_PER_ADDRESS
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import TooMany
from tests.factories.cached_shop import until
from tests.factories.customers import (
    ALICE,
    HOME,
    MINUTE,
    PASSWORD,
    SECOND,
    add_alice,
    caller,
    count,
    enter,
    jobs,
    make_account_services,
    refused_inserts,
    select_rows,
)
from tests.factories.games import NOON

BOB = "bob@example.com"


async def fail(
    db: Database,
    parts: AccountServices,
    times: int = 1,
    *,
    now: datetime = NOON,
    email: str = ALICE,
) -> None:
    """Give a wrong password, each time from another client."""
    for number in range(times):
        address = f"2001:db8:{number:x}::1"
        with pytest.raises(WrongCredentials, match=r"^Invalid email or password$"):
            await enter(db, parts, email=email, password="wrong", address=address, now=now)


async def find_id(db: Database, email: str) -> str | None:
    async with db.read() as reader:
        account = await find_account_by_spellings(reader, email)
    return None if account is None else account.id


async def locked_until(db: Database, email: str) -> datetime:
    """Return until when the address is locked."""
    digest = digest_of(counted_under(await find_id(db, email), normalise(email)))
    (row,) = await select_rows(
        db,
        """SELECT max(locked_until) AS locked_until FROM keyshop.sign_in_failures
        WHERE email_digest = $1""",
        digest,
    )
    found: datetime | None = row["locked_until"]
    assert found is not None
    return found


async def notices(db: Database) -> int:
    return [name for name, _ in await jobs(db)].count("mail_lock_notice")


class TestLock:
    @given(st.integers(0, 10_000))
    def test_lasts_longer_with_each_failure_up_to_a_maximum(self, failures: int) -> None:
        lock = lock_duration(failures)

        assert (lock is None) == (failures < 5)
        assert lock is None or MINUTE <= lock <= MAX_LOCK
        assert lock is None or lock_duration(failures + 1) == min(2 * lock, MAX_LOCK)

    async def test_begins_with_the_fifth_wrong_password_in_a_row(self, db, parts) -> None:
        await add_alice(db, parts)

        await fail(db, parts, 4)
        await enter(db, parts)
        await fail(db, parts, 5)

        with pytest.raises(WrongCredentials, match=r"^Invalid email or password$"):
            await enter(db, parts, now=NOON + 59 * SECOND, address="192.0.2.8")
        await enter(db, parts, now=NOON + 60 * SECOND, address="192.0.2.8")

    async def test_of_unknown_clients_leaves_the_owner_in_who_was_there_before(
        self, db, parts
    ) -> None:
        await add_alice(db, parts)
        await enter(db, parts, address="2001:db8:a:b::1")

        # One attempt every half minute uses up the limit of the address.
        for number in range(SIGN_INS_PER_ADDRESS.burst + 10):
            with pytest.raises((WrongCredentials, TooMany)):
                await enter(db, parts, password="wrong", address=f"198.51.100.{number}")

        # The household's network is known, not the one address.
        await enter(db, parts, address="2001:db8:a:b::2")
        with pytest.raises((WrongCredentials, TooMany)):
            await enter(db, parts, address="2001:db8:a:c::1")
        # The owner's sign-in does not help unknown clients.
        assert await locked_until(db, ALICE) == NOON + MINUTE

    async def test_of_unknown_clients_leaves_the_owner_in_who_registered_there(
        self, db, parts
    ) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 5)

        await enter(db, parts, address=HOME)

    async def test_locks_a_known_client_that_guesses_itself(self, db, parts) -> None:
        await add_alice(db, parts)
        await enter(db, parts)
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await enter(db, parts, password="wrong")

        with pytest.raises(WrongCredentials):
            await enter(db, parts, now=NOON + 59 * SECOND)
        assert await notices(db) == 1
        # Other clients are not affected.
        await enter(db, parts, address="192.0.2.8")

    async def test_is_forgotten_after_the_right_password(self, db, parts) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 5)

        await enter(db, parts, now=NOON + 2 * MINUTE)

        assert await count(db, "keyshop.sign_in_failures") == 0

    async def test_doubles_with_each_failure_after_it(self, db, parts) -> None:
        await add_alice(db, parts)
        now = NOON
        await fail(db, parts, 4)

        lasted = []
        for _ in range(7):
            await fail(db, parts, now=now)
            until = await locked_until(db, ALICE)
            lasted.append((until - now) // MINUTE)
            now = until

        assert lasted == [1, 2, 4, 8, 15, 15, 15]

    async def test_is_not_made_longer_by_attempts_while_it_lasts(self, db, parts) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 5)

        await fail(db, parts, 10, now=NOON + 30 * SECOND)

        await enter(db, parts, now=NOON + 60 * SECOND)
        # Attempts that were not verified are not in the history, which they would fill.
        history = await select_rows(db, "SELECT success FROM login_history")
        assert [row["success"] for row in history].count(False) == 5

    async def test_sends_one_notice_until_the_owner_signs_in_again(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        await fail(db, parts, 5)
        assert await notices(db) == 1

        await fail(db, parts, now=NOON + 2 * MINUTE)
        await fail(db, parts, now=NOON + 9 * MINUTE)
        assert await notices(db) == 1

        await enter(db, parts, now=NOON + 30 * MINUTE)
        await fail(db, parts, 5, now=NOON + 40 * MINUTE)
        assert await notices(db) == 2
        sent = [job for name, job in await jobs(db) if name == "mail_lock_notice"]
        assert {job["user_id"] for job in sent} == {alice.account.id}
        assert sent[0]["notice_id"] != sent[1]["notice_id"]

    async def test_concerns_no_other_address(self, db, parts) -> None:
        await add_alice(db, parts)
        await add_alice(db, parts, email=BOB)

        await fail(db, parts, 5)

        await enter(db, parts, email=BOB)

    async def test_is_stored_for_an_address_without_account_and_sends_no_notice(
        self, db, parts
    ) -> None:
        await fail(db, parts, 5)

        assert await locked_until(db, " Alice@Example.com ") == NOON + MINUTE
        assert await jobs(db) == []
        assert ALICE not in repr(await select_rows(db, "SELECT * FROM keyshop.sign_in_failures"))

    async def test_begins_anew_after_a_day_without_failures(self, db, parts) -> None:
        await add_alice(db, parts)

        await fail(db, parts, 4)
        await fail(db, parts, 4, now=NOON + timedelta(hours=24, seconds=1))

        await enter(db, parts, now=NOON + timedelta(hours=24, seconds=1))

    async def test_can_be_taken_away_by_an_operator(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        await fail(db, parts, 5)

        async with db.transaction() as tx:
            assert await forget_failures(tx, alice.account)
            assert not await forget_failures(tx, alice.account)

        await enter(db, parts)

    async def test_that_an_operator_removes_also_resets_the_limit_of_the_address(
        self, db, parts
    ) -> None:
        alice = await add_alice(db, parts)
        for number in range(SIGN_INS_PER_ADDRESS.burst + 1):
            with suppress(WrongCredentials, TooMany):
                await enter(db, parts, password="wrong", address=f"198.51.100.{number}")

        async with db.transaction() as tx:
            await forget_failures(tx, alice.account)

        await enter(db, parts)

    async def test_expires_in_the_end(self, db, parts) -> None:
        await fail(db, parts)
        await fail(db, parts, email=BOB, now=NOON + MINUTE)

        async with db.transaction() as tx:
            assert await delete_old_failures(tx, NOON + SECOND) == 1

        assert await count(db, "keyshop.sign_in_failures") == 1


class CountingPool(PasswordPool):
    """A pool that counts how many passwords it has compared."""

    def __init__(self) -> None:
        super().__init__(cost=4)
        self.compared = 0

    async def find_form(self, password: str, hashed: str | None, *, client: str = "") -> str | None:
        self.compared += hashed is not None
        return await super().find_form(password, hashed, client=client)


class TestGuessing:
    async def test_from_hundreds_of_clients_at_once_is_hardly_verified(self, db) -> None:
        passwords = CountingPool()
        parts = make_account_services(passwords)
        await add_alice(db, parts)

        async def guess(number: int) -> type[Exception] | None:
            # The right password is among them, but late.
            password = PASSWORD if number >= 200 else f"Passw0rd-{number}"
            try:
                await enter(db, parts, password=password, address=f"2001:db8:{number:x}::1")
            except (WrongCredentials, TooMany) as error:
                return type(error)
            return None

        for first in range(0, 400, 40):
            outcomes = await asyncio.gather(*map(guess, range(first, first + 40)))
            assert None not in outcomes

        passwords.close()
        assert passwords.compared <= SIGN_INS_PER_ADDRESS.burst

    async def test_at_the_end_of_each_lock_has_one_attempt(self, db) -> None:
        passwords = CountingPool()
        parts = make_account_services(passwords)
        await add_alice(db, parts)
        await fail(db, parts, 4)

        async def guess(number: int) -> None:
            with suppress(WrongCredentials, TooMany):
                address = f"2001:db8:{number:x}::1"
                await enter(db, parts, password="wrong", address=address, now=now)

        looked_at, now = [], NOON
        for _ in range(6):
            now += MAX_LOCK + SECOND
            before = passwords.compared
            await asyncio.gather(*map(guess, range(40)))
            looked_at.append(passwords.compared - before)

        passwords.close()
        assert looked_at == [1] * 6
        assert await notices(db) == 1
        assert await count(db, "login_history WHERE NOT success") == 4 + 6

    async def test_with_the_right_password_at_the_end_of_a_lock_signs_in(self, db, parts) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 4)

        await enter(db, parts)

        assert await count(db, "keyshop.sign_in_failures") == 0
        assert await notices(db) == 0

    async def test_that_was_not_verified_locks_nothing(self, db, parts) -> None:
        alice = await add_alice(db, parts)
        await fail(db, parts, 4)
        busy = PasswordPool(threads=1, queue=0, cost=12)
        under_way = asyncio.create_task(busy.hash("x"))
        await asyncio.sleep(0)

        with pytest.raises(PasswordsBusy):
            await enter(db, make_account_services(busy))

        await under_way
        busy.close()
        async with db.read() as reader:
            lock = await find_lock(reader, alice.account)
        assert lock == FailureSummary(failures=4, locked_until=None)
        await enter(db, parts)

    async def test_that_fails_by_a_fault_locks_nothing(self, db, parts) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 4)

        async with refused_inserts(db, "login_history"):
            with pytest.raises(asyncpg.RaiseError):
                await enter(db, parts)

        await enter(db, parts)

    async def test_that_is_cancelled_locks_nothing(self, db, parts) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 4)
        busy = PasswordPool(threads=1, cost=12)
        under_way = asyncio.create_task(busy.hash("x"))
        entering = asyncio.create_task(enter(db, make_account_services(busy)))
        await until(lambda: is_reserved(db))

        entering.cancel()
        await asyncio.gather(entering, under_way, return_exceptions=True)

        busy.close()
        await enter(db, parts)

    async def test_at_the_end_of_a_lock_in_three_tabs_never_reports_the_right_password_as_wrong(
        self, db, parts
    ) -> None:
        await add_alice(db, parts)
        await fail(db, parts, 4)

        entered = await asyncio.gather(
            *(enter(db, parts) for _ in range(3)), return_exceptions=True
        )

        assert {type(each) for each in entered} <= {SignInResult, AttemptInProgress}
        assert [type(each) for each in entered].count(SignInResult) >= 1
        assert await notices(db) == 0
        await enter(db, parts)

    async def test_that_was_cut_off_by_a_crash_sends_a_notice_with_the_next_wrong_one(
        self, db, parts
    ) -> None:
        alice = await add_alice(db, parts)
        await fail(db, parts, 4)

        async def describe() -> PasswordAttempt:
            return PasswordAttempt(
                client_info=caller(),
                user_id=alice.account.id,
                counter=FailureCounter(digest_of_account(alice.account)),
                limit=SIGN_INS_PER_ADDRESS,
                limit_key=ALICE,
            )

        crashed = attempt_under_lockout(db, caller(), describe, now=NOON)
        await crashed.__aenter__()

        with pytest.raises(AttemptInProgress):
            await enter(db, parts, now=NOON + 5 * SECOND)
        # The attempt crashed: its reservation is a lock, with the same answer as any lock.
        with pytest.raises(WrongCredentials, match=r"^Invalid email or password$"):
            await enter(db, parts, now=NOON + 30 * SECOND)
        await fail(db, parts, now=NOON + MINUTE)

        assert await notices(db) == 1


async def is_reserved(db: Database) -> bool:
    return bool(await select_rows(db, "SELECT FROM keyshop.sign_in_failures WHERE is_reserved"))
