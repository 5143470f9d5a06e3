"""The journal: who did what to which object."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.journal.record import record
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALICE = Subject("user", "alice")
BOB = Subject("user", "bob")


async def write(db: Database, action: str, *, subject: Subject = ALICE, now=NOON) -> None:
    async with db.transaction() as tx:
        await record(
            tx,
            actor="olga",
            action=action,
            subject=subject,
            details={"role": "ADMIN", "families": 2, "reason": None},
            now=now,
        )


class TestJournal:
    async def test_lists_the_entries_of_an_object_newest_first(self, db: Database):
        await write(db, "users.create")
        await write(db, "users.role", now=NOON + timedelta(hours=1))
        await write(db, "users.role", subject=BOB)

        async with db.read() as reader:
            found = await list_entries(reader, ALICE)

        assert [entry.action for entry in found] == ["users.role", "users.create"]
        assert found[1].happened_at == NOON
        assert found[1].actor == "olga"
        assert found[1].details == {"role": "ADMIN", "families": 2, "reason": None}

    async def test_holds_nothing_that_was_rolled_back(self, db: Database):
        async with db.transaction() as tx:
            # Leaving the savepoint with an error undoes what happened in it.
            with pytest.raises(asyncpg.DivisionByZeroError):
                await _record_and_fail(tx)

        async with db.read() as reader:
            assert await list_entries(reader, ALICE) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE keyshop.journal SET actor = 'Viktor'",
            "DELETE FROM keyshop.journal",
            "TRUNCATE keyshop.journal",
        ],
    )
    async def test_is_never_rewritten(self, db: Database, statement):
        await write(db, "users.create")

        with pytest.raises(asyncpg.PostgresError, match="only added"):
            async with db.transaction() as tx:
                await tx.execute(statement)


async def _record_and_fail(tx: Transaction) -> None:
    async with tx.raw.transaction():
        await record(tx, actor="olga", action="users.erase", subject=ALICE, now=NOON)
        await tx.fetchval("SELECT 1 / 0")
