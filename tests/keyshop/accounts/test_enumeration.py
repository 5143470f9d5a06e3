"""The time of an answer does not show whether an address has an account."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median, quantiles

import pytest

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import WrongCredentials
from keyshop.accounts.lockout.failures import digest_of_account
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.request_reset import request_reset
from keyshop.kit.database.pool import Database
from tests.factories.customers import caller, enter, make_account_services
from tests.factories.games import NOON
from tests.factories.sessions import add_user

pytestmark = pytest.mark.timed

ROUNDS = 30
# Share of the median time of a wrong password: wide enough for a busy machine, and far below the
# four fifths that a skipped verification would save.
BOUND = 0.3
CHEAP_ROUNDS = 100
CHEAP_BOUND = 0.2
MAX_LOOKS = 3
KINDS = ("wrong", "unknown", "locked")


async def add_people(db: Database, passwords: PasswordPool) -> None:
    """Store an account for each attempt at one, half of them locked."""
    hashed = await passwords.hash("Passw0rd-alice")
    locked = []
    for number in range(ROUNDS):
        await add_user(db, email=f"wrong{number}@example.com", passwordHash=hashed)
        locked.append(await add_user(db, email=f"locked{number}@example.com", passwordHash=hashed))
    async with db.transaction() as tx:
        await tx.execute_many(
            """INSERT INTO keyshop.sign_in_failures
            (email_digest, failures, last_failed_at, locked_until) VALUES ($1, 5, $2, $3)""",
            [(digest_of_account(each), NOON, NOON + timedelta(days=1)) for each in locked],
        )


async def seconds_of_attempt(
    db: Database, parts: AccountServices, kind: str, number: int, *, password: str
) -> float:
    began = time.perf_counter()
    with pytest.raises(WrongCredentials) as refused:
        await enter(
            db,
            parts,
            email=f"{kind}{number}@example.com",
            password=password,
            address=f"192.0.2.{number}",
        )
    lasted = time.perf_counter() - began
    assert str(refused.value) == "Invalid email or password"
    return lasted


async def is_alike(times_match: Callable[[], Awaitable[bool]]) -> bool:
    """Measure up to three times; a difference caused by the shop appears every time."""
    for _ in range(MAX_LOOKS):
        if await times_match():
            return True
    return False


class TestAnswer:
    # The second has three forms, which are all checked; a lower cost makes up for that.
    @pytest.mark.parametrize(("password", "cost"), [("wrong", 8), ("e\u0323\u0302 falsch é", 7)])
    async def test_of_signing_in_takes_as_long_for_unknown_wrong_and_locked(
        self, db, password, cost
    ) -> None:
        passwords = PasswordPool(cost=cost)
        parts = make_account_services(passwords)
        await add_people(db, passwords)

        async def times_match() -> bool:
            lasted = defaultdict(list)
            for number in range(ROUNDS):
                # In turns, so that other work on the machine affects all alike.
                for kind in KINDS:
                    seconds = await seconds_of_attempt(db, parts, kind, number, password=password)
                    lasted[kind].append(seconds)
            usual = median(lasted["wrong"])
            return all(abs(median(lasted[kind]) - usual) < BOUND * usual for kind in KINDS)

        assert await is_alike(times_match)
        passwords.close()

    async def test_to_a_forgotten_password_takes_as_long_for_unknown_addresses(
        self, db, parts
    ) -> None:
        for number in range(CHEAP_ROUNDS):
            await add_user(db, email=f"known{number}@example.com")

        async def times_match() -> bool:
            lasted = defaultdict(list)
            for number in range(CHEAP_ROUNDS):
                for kind in ("known", "unknown"):
                    client = caller(address=f"192.0.2.{number}")
                    began = time.perf_counter()
                    await request_reset(db, f"{kind}{number}@example.com", client, now=NOON)
                    lasted[kind].append(time.perf_counter() - began)
            # Only the fastest tenth: the whole time is a millisecond, and the delays of a busy machine
            # would hide the third that doing nothing saves.
            known, unknown = (quantiles(lasted[kind], n=10)[0] for kind in ("known", "unknown"))
            return abs(unknown - known) < CHEAP_BOUND * known

        assert await is_alike(times_match)
