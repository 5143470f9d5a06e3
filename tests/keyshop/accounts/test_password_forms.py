"""A password is the same word on every keyboard, composed (NFC) or decomposed (NFD)."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from unicodedata import normalize

import bcrypt
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyshop.accounts.change_password import PasswordPair, change_password
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import PasswordInvalid, WrongCredentials
from keyshop.accounts.models import SignedIn, SignInResult
from keyshop.accounts.passwords import PasswordPool, PasswordTooLong, TooManyPasswords
from keyshop.accounts.queries import lock_account
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.reset_password import reset_password
from keyshop.accounts.rules import find_password_problem
from keyshop.accounts.sessions.families import begin_family
from keyshop.kit.database.pool import Database
from tests.factories.customers import (
    ALICE,
    HOME,
    OTHER_PASSWORD,
    add_alice,
    caller,
    count,
    enter,
    make_account_services,
    select_rows,
)
from tests.factories.games import NOON
from tests.factories.sent_mails import last_mail, link_token
from tests.factories.sessions import add_user, family_of
from tests.keyshop.accounts.test_sign_in import is_signed_in

pytestmark = pytest.mark.timed

COMPOSED = normalize("NFC", "Crème-Brûlée-7 Ñandú 각 ệ")
DECOMPOSED = normalize("NFD", COMPOSED)
# "ệ" as a Vietnamese keyboard gives it: neither composed nor decomposed.
MIXED = COMPOSED.replace("ệ", "ê\u0323")
FORMS = (COMPOSED, DECOMPOSED, MIXED)
ACCENTS = st.text(st.sampled_from("aA1é각ﬁÅ\u0301\u0323\u0327\u0345\u1100\u1161\u212b\ud800\0"))


class CountingPool(PasswordPool):
    """A pool that counts the checks of its passwords, by stored hash."""

    def __init__(self) -> None:
        super().__init__(threads=1, cost=4)
        self.checks: Counter[str | None] = Counter()

    def _verify(self, clear: bytes, hashed: str | None) -> bool:
        self.checks[hashed] += 1
        return super()._verify(clear, hashed)


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[CountingPool]:
    pool = CountingPool()
    yield pool
    pool.close()


def earlier_hash(password: str, cost: int = 4) -> str:
    """Return the hash of an earlier backend: of what was typed, without the bytes after the 72nd."""
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode()


async def stored_hash(db: Database) -> str:
    [row] = await select_rows(db, 'SELECT "passwordHash" AS hash FROM users')
    return str(row["hash"])


def is_hash_of(hashed: str, password: str) -> bool:
    return bcrypt.checkpw(password.encode(), hashed.encode())


async def change(
    db: Database, parts: AccountServices, device: SignInResult, current: str, new: str
) -> None:
    signed_in = SignedIn(
        user_id=device.account.id,
        email=device.account.email,
        role=device.account.role,
        family_id=family_of(parts.tokens, device.tokens, now=NOON),
    )
    await change_password(db, parts, signed_in, PasswordPair(current, new), caller(), now=NOON)


async def cpu_seconds_of(pool: PasswordPool, password: str, hashed: str | None) -> float:
    began = time.process_time()
    await pool.verify(password, hashed)
    return time.process_time() - began


class TestForms:
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(password=st.text(max_size=20) | ACCENTS.filter(lambda text: len(text) < 20))
    async def test_of_any_password_fit_the_hash_of_any_other_form(self, pool, password):
        forms = {password, normalize("NFC", password), normalize("NFD", password)}
        try:
            hashes = [await pool.hash(form) for form in forms]
        except PasswordTooLong:
            return
        for hashed in hashes:
            for form in forms:
                assert await pool.verify(form, hashed)
                assert not await pool.verify("x" + form, hashed)

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(password=st.text(max_size=200) | ACCENTS)
    async def test_are_three_at_most_and_as_many_without_an_account(self, pool, password):
        hashed = await pool.hash("Passw0rd-alice")
        pool.checks.clear()

        assert not await pool.verify(password, hashed)
        assert not await pool.verify(password, None)

        assert 1 <= pool.checks[hashed] <= (1 if password.isascii() else 3)
        assert pool.checks[hashed] == pool.checks[None]

    async def test_are_tried_composed_then_as_typed_then_decomposed(self, pool):
        tried = {}
        for stored in FORMS:
            hashed = earlier_hash(stored)
            assert await pool.find_form(MIXED, hashed) == stored
            tried[stored] = pool.checks[hashed]

        assert tried == {COMPOSED: 1, MIXED: 2, DECOMPOSED: 3}

    @pytest.mark.parametrize("stored", [COMPOSED * 3, DECOMPOSED * 3, MIXED * 3])
    async def test_fit_hashes_that_leave_out_what_is_beyond_72_bytes(self, pool, stored):
        assert await pool.verify(stored, earlier_hash(stored))
        assert not await pool.verify("x" + stored, earlier_hash(stored))

    async def test_that_differ_only_beyond_72_bytes_are_one(self, pool):
        hashed = earlier_hash("x" * 72)

        assert not await pool.verify("y" * 72 + MIXED, hashed)
        assert pool.checks[hashed] == 1

    async def test_of_a_hundred_thousand_accents_take_no_time(self, pool):
        # Sorting all of them would take nine seconds.
        accents = "a" + "\u0301\u0327" * 50_000
        began = time.perf_counter()

        assert not await pool.verify(accents, await pool.hash("Passw0rd-alice"))
        await pool.dummy_verify(accents)
        with pytest.raises(PasswordTooLong):
            await pool.hash(accents)
        assert "at most 72 bytes" in (find_password_problem("Passw0rd" + accents) or "")

        assert time.perf_counter() - began < 0.5


class TestRules:
    def test_give_every_form_the_same_answer(self):
        assert [find_password_problem(form) for form in FORMS] == [None] * 3
        # Seven characters, however they are typed.
        assert "8 characters" in (find_password_problem(normalize("NFD", "Passé1é")) or "")
        # 71 bytes composed, 102 decomposed.
        assert find_password_problem(normalize("NFD", "Passw0rd-" + "é" * 31)) is None
        assert "72 bytes" in (find_password_problem("Passw0rd-" + "é" * 32) or "")


class TestQueue:
    async def test_counts_the_checks_of_a_client(self):
        pool = PasswordPool(threads=1, queue=20, cost=7)
        waiting = [
            asyncio.create_task(pool.verify(MIXED, None, client="192.0.2.7")) for _ in range(2)
        ]
        await asyncio.sleep(0)

        with pytest.raises(TooManyPasswords):
            await pool.verify("x", None, client="192.0.2.7")
        assert not await pool.verify("x", None, client="192.0.2.8")

        await asyncio.gather(*waiting)
        assert not await pool.verify("x", None, client="192.0.2.7")
        pool.close()


class TestRefusalTime:
    async def test_is_the_same_with_and_without_an_account(self):
        pool = PasswordPool(threads=1, cost=8)
        stored = {
            "none": None,
            "composed": earlier_hash("Passwörd-1", cost=8),
            "cheap": earlier_hash("Passwörd-1", cost=5),
        }
        cpu: dict[str, list[float]] = {name: [] for name in stored}

        for _ in range(7):
            for name, hashed in stored.items():
                cpu[name].append(await cpu_seconds_of(pool, MIXED, hashed))

        least = {name: min(taken) for name, taken in cpu.items()}
        assert max(least.values()) < 1.3 * min(least.values()), least
        pool.close()

    async def test_is_matched_by_a_dummy(self):
        pool = PasswordPool(threads=1, cost=8)

        async def seconds_of(*, dummy: bool) -> float:
            began = time.perf_counter()
            await (pool.dummy_verify(MIXED) if dummy else pool.verify(MIXED, None))
            return time.perf_counter() - began

        real = [await seconds_of(dummy=False) for _ in range(9)]
        pretended = [await seconds_of(dummy=True) for _ in range(9)]

        assert 0.5 < statistics.median(pretended) / statistics.median(real) < 2
        pool.close()


class TestSigningIn:
    @pytest.mark.parametrize("registered", FORMS)
    async def test_takes_every_form_of_the_password(self, db, parts, registered):
        await add_alice(db, parts, password=registered)
        hashed = await stored_hash(db)

        for typed in FORMS:
            await enter(db, parts, password=typed)

        assert is_hash_of(hashed, COMPOSED)
        assert await stored_hash(db) == hashed

    @pytest.mark.parametrize("stored", [DECOMPOSED, MIXED])
    async def test_replaces_a_hash_of_another_form_and_signs_no_device_out(self, db, parts, stored):
        alice = await add_user(db, email=ALICE, passwordHash=earlier_hash(stored))
        async with db.transaction() as tx:
            account = await lock_account(tx, alice.id)
            assert account is not None
            phone = await begin_family(tx, parts.tokens, account, now=NOON)

        laptop = await enter(db, parts, password=stored)
        replaced = await stored_hash(db)
        tablet = await enter(db, parts, password=COMPOSED)

        assert is_hash_of(replaced, COMPOSED)
        assert not is_hash_of(replaced, stored)
        assert await stored_hash(db) == replaced
        for tokens in (phone, laptop.tokens, tablet.tokens):
            assert await is_signed_in(db, parts, tokens.token)

    async def test_takes_the_composed_form_of_what_was_stored_decomposed(self, db, parts):
        await add_user(db, email=ALICE, passwordHash=earlier_hash(DECOMPOSED))

        await enter(db, parts, password=COMPOSED)

        assert is_hash_of(await stored_hash(db), COMPOSED)

    async def test_keeps_a_hash_that_leaves_out_the_end_of_the_password(self, db, parts):
        # 90 bytes decomposed, 63 composed: whether the end was typed right was never checked.
        typed = normalize("NFD", "Passw0rd" + "é" * 27 + "-")
        hashed = earlier_hash(typed)
        await add_user(db, email=ALICE, passwordHash=hashed)

        await enter(db, parts, password=typed)

        assert await stored_hash(db) == hashed

    @pytest.mark.parametrize("is_registered", [True, False])
    async def test_counts_one_failure_for_all_forms(self, db, parts, is_registered):
        if is_registered:
            await add_alice(db, parts, password=COMPOSED)

        with pytest.raises(WrongCredentials):
            await enter(db, parts, password=MIXED + "x")

        assert await count(db, "keyshop.sign_in_failures") == 1
        [row] = await select_rows(db, "SELECT failures FROM keyshop.sign_in_failures")
        assert row["failures"] == 1
        assert await count(db, "login_history WHERE NOT success") == is_registered

    async def test_replaces_the_hash_for_ten_devices_at_a_time(self, db):
        await add_user(db, email=ALICE, passwordHash=earlier_hash(DECOMPOSED))
        pool = PasswordPool(cost=4)
        parts = make_account_services(pool)

        entered = await asyncio.gather(*(enter(db, parts, password=MIXED) for _ in range(10)))

        pool.close()
        assert is_hash_of(await stored_hash(db), COMPOSED)
        assert all([await is_signed_in(db, parts, each.tokens.token) for each in entered])


class TestChanging:
    async def test_takes_every_form_of_the_current_password(self, db, parts):
        alice = await add_alice(db, parts, password=COMPOSED)

        await change(db, parts, alice, DECOMPOSED, MIXED)
        await change(db, parts, alice, COMPOSED, OTHER_PASSWORD)
        with pytest.raises(PasswordInvalid, match=r"^Current password is incorrect$"):
            await change(db, parts, alice, DECOMPOSED, COMPOSED)

        [row] = await select_rows(db, "SELECT failures FROM keyshop.sign_in_failures")
        assert row["failures"] == 1
        await enter(db, parts, password=OTHER_PASSWORD)

    async def test_with_a_mailed_link_makes_every_form_sign_in(self, db, parts):
        await add_alice(db, parts)
        await request_reset(db, ALICE, caller(address=HOME), now=NOON)
        token = link_token(await last_mail(db, parts))

        await reset_password(
            db, parts, token=token, new_password=DECOMPOSED, client_info=caller(), now=NOON
        )

        for typed in FORMS:
            await enter(db, parts, password=typed)
