"""`keyshop users ...`: operators' commands for accounts, and their entries in the journal."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from keyshop.accounts.addresses import normalise
from keyshop.accounts.email_tokens.queries import is_live
from keyshop.accounts.email_tokens.tokens import Purpose, issue_email_token
from keyshop.accounts.models import Account, Role
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.queries import find_account, find_account_by_id
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from tests.factories.sessions import add_user
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop, shop_environment

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_ALICE = "alice@example.com"
_PASSWORD = "Correct-horse-7"

Run = Callable[..., Awaitable[CompletedProcess[str]]]


@pytest.fixture
def run(home: Path, database_url: str) -> Run:
    """Run a command of `keyshop users` on this test's own database."""

    async def users(*words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(
            run_keyshop, "users", *words, home=home, DATABASE_URL=database_url, CACHE_MODE="off"
        )

    return users


async def get_account(db: Database, email: str = _ALICE) -> Account:
    async with db.read() as reader:
        account = await find_account(reader, normalise(email))
    assert account is not None
    return account


async def is_password(account: Account, password: str) -> bool:
    pool = PasswordPool(threads=1)
    try:
        return await pool.verify(password, account.password_hash.reveal())
    finally:
        pool.close()


async def journal_of(db: Database, user_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    async with db.read() as reader:
        entries = await list_entries(reader, Subject("user", user_id))
    return [(entry.actor, entry.action, entry.details) for entry in reversed(entries)]


class TestCreate:
    async def test_creates_an_account_and_prints_its_password_once(self, db: Database, run: Run):
        done = await run("create", "Alice@Example.com")

        assert done.returncode == 0, done.stderr
        account = await get_account(db)
        assert (account.role, account.email_verified) == (Role.USER, True)
        (password,) = re.findall(r"shown only now: (\S+)$", done.stdout, re.MULTILINE)
        assert await is_password(account, password)
        assert password not in done.stderr
        assert await journal_of(db, account.id) == [
            (get_os_user(), "users.create", {"role": "USER"})
        ]

    async def test_creates_an_administrator_with_a_password_from_standard_input(
        self, db: Database, home: Path, database_url: str
    ):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "keyshop", "users", "create", _ALICE, "--admin",
             "--password-stdin", "--json"],
            input=f"{_PASSWORD}\n", env=shop_environment(
                home, DATABASE_URL=database_url, CACHE_MODE="off"
            ), cwd=home.parent, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr
        account = await get_account(db)
        assert json.loads(done.stdout) == {"id": account.id, "email": _ALICE, "role": "ADMIN"}
        assert account.role == Role.ADMIN
        assert await is_password(account, _PASSWORD)

    async def test_refuses_a_weak_password_before_the_database_is_needed(self, home: Path):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "keyshop", "users", "create", _ALICE, "--password-stdin"],
            input="weak\n", env=shop_environment(
                home, DATABASE_URL="postgresql://127.0.0.1:1/none", CACHE_MODE="off"
            ), cwd=home.parent, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

        assert done.returncode == 1
        assert "password must be at least 8 characters" in done.stderr

    async def test_refuses_an_address_that_is_taken_or_invalid(self, db: Database, run: Run):
        await run("create", _ALICE)

        for refused in (await run("create", "ALICE@example.com"), await run("create", "no one")):
            assert refused.returncode == 1
            assert refused.stdout == ""
            assert refused.stderr.splitlines()[-1].startswith("keyshop: ")
            assert "Traceback" not in refused.stderr
        async with db.read() as reader:
            assert await reader.fetchval("SELECT count(*) FROM keyshop.journal") == 1


class TestChanges:
    async def test_are_shown_and_recorded_with_their_operator(self, db: Database, run: Run):
        await run("create", _ALICE)
        account = await get_account(db)

        # The role is changed once; the second time there is nothing to change.
        made_admin = await run("role", _ALICE, "admin", "--json")
        again = await run("role", account.id, "ADMIN")
        async with db.transaction() as tx:
            link = await issue_email_token(
                tx, Purpose.RESET_PASSWORD, user_id=account.id, now=utc_now()
            )
        revoked = await run("revoke", _ALICE, "--json")

        assert json.loads(made_admin.stdout) == {
            "id": account.id, "role": "ADMIN", "changed": True
        }  # fmt: skip
        assert "nothing was changed" in again.stdout
        assert json.loads(revoked.stdout) == {"id": account.id, "revoked": 0}
        async with db.read() as reader:
            assert not await is_live(reader, link, Purpose.RESET_PASSWORD, now=utc_now())
        assert (await get_account(db)).role == Role.ADMIN
        me = get_os_user()
        assert await journal_of(db, account.id) == [
            (me, "users.create", {"role": "USER"}),
            (me, "users.role", {"role": "ADMIN", "before": "USER"}),
            (me, "users.revoke", {"devices": 0}),
        ]
        table, document = await run("show", _ALICE), await run("show", account.id, "--json")
        assert "users.role" in table.stdout
        assert account.id in table.stdout
        shown = json.loads(document.stdout)
        assert shown["role"] == "ADMIN"
        assert len(shown["journal"]) == 3
        assert account.password_hash.reveal() not in document.stdout + table.stdout

    async def test_of_an_unknown_account_are_refused(self, home: Path, database_url: str, run: Run):
        for words in (("show", "unknown@example.com"), ("revoke", "no-such-id")):
            refused = await run(*words)

            assert refused.returncode == 1
            assert refused.stderr.splitlines()[-1].startswith("keyshop: No account has")
            assert refused.stdout == ""

    async def test_are_refused_where_a_column_has_its_name_of_an_unreleased_version(
        self, db: Database, run: Run
    ):
        await run("create", _ALICE)
        async with db.transaction() as tx:
            await tx.execute(
                "ALTER TABLE keyshop.token_families RENAME COLUMN revoked_reason TO ended_why"
            )

        refused = await run("show", _ALICE)

        assert refused.returncode == 1
        assert refused.stderr.strip().endswith("run `keyshop db upgrade` first.")
        assert "Traceback" not in refused.stderr


class TestLeaving:
    async def test_finds_the_account_by_its_stored_address(self, db: Database, run: Run):
        await run("create", "john@yahoo.com")
        # As the earlier backend stored john-smith-news.
        smith = await add_user(db, email="john-smith@yahoo.com")

        # As `show` prints it; normalised, it would be John's address.
        shown = await run("show", "john-smith-news@yahoo.com", "--json")
        erased = await run("erase", "john-smith@yahoo.com", "--yes", "--json")

        assert json.loads(shown.stdout)["id"] == smith.id
        assert json.loads(erased.stdout) == {"id": smith.id, "erased": True}
        assert (await get_account(db, "john@yahoo.com")).email == "john@yahoo.com"

    async def test_is_an_export_and_then_an_erasure(self, tmp_path: Path, db: Database, run: Run):
        await run("create", _ALICE)
        account = await get_account(db)
        file = tmp_path / "alice.json"

        exported = await run("export", _ALICE, "--output", str(file))
        twice = await run("export", _ALICE, "--output", str(file))
        unknown = await run("export", "unknown@example.com", "--output", str(tmp_path / "none"))
        unsure = await run("erase", _ALICE)
        erased = await run("erase", _ALICE, "--yes", "--json")

        # The export is complete and readable by its owner alone, and no file is overwritten.
        assert exported.returncode == 0, exported.stderr
        assert _ALICE in file.read_text()
        assert account.password_hash.reveal() not in file.read_text()
        assert isinstance(json.loads(file.read_bytes()), dict)
        assert file.stat().st_mode & 0o777 == 0o600
        assert (twice.returncode, unknown.returncode, unsure.returncode) == (1, 1, 1)
        assert not (tmp_path / "none").exists()
        assert "--yes" in unsure.stderr
        # The row remains without a name.
        assert json.loads(erased.stdout) == {"id": account.id, "erased": True}
        async with db.read() as reader:
            assert await find_account(reader, normalise(_ALICE)) is None
            left = await find_account_by_id(reader, account.id)
        assert left is not None
        assert "alice" not in left.email
        assert [action for _, action, _ in await journal_of(db, account.id)] == [
            "users.create", "users.export", "users.erase"
        ]  # fmt: skip
