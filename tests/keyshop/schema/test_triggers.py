import asyncio

import pytest

from keyshop.schema.migrate import status
from keyshop.schema.triggers import TriggerFault
from tests.servers import connected

_TRIGGER = "keyshop_facets_inserted"


class TestStatus:
    async def test_finds_no_fault_in_a_new_database(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            known = await connection.fetchval("SELECT count(*) FROM keyshop.expected_triggers")

        assert known > 50
        assert (await asyncio.to_thread(status, db_url)).triggers == []

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (f"DROP TRIGGER {_TRIGGER} ON games", "missing"),
            (f"ALTER TABLE games DISABLE TRIGGER {_TRIGGER}", "disabled"),
            (f"ALTER TABLE games ENABLE TRIGGER {_TRIGGER}", "changed"),
        ],
    )
    async def test_reports_a_missing_disabled_or_changed_trigger(
        self, db_url: str, change: str, fault: str
    ) -> None:
        async with connected(db_url) as connection:
            await connection.execute(change)

        found = (await asyncio.to_thread(status, db_url)).triggers

        assert [(each.table, each.trigger, each.fault) for each in found] == [
            ("public.games", _TRIGGER, fault)
        ]

    async def test_reports_a_role_whose_sessions_fire_no_trigger(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            database = await connection.fetchval("SELECT current_database()")
            await connection.execute(
                f'ALTER DATABASE "{database}" SET session_replication_role = replica'
            )

        (found,) = (await asyncio.to_thread(status, db_url)).triggers

        assert (found.table, found.fault) == ("all tables", "disabled")
        assert "session_replication_role" in found.trigger

    async def test_reports_all_triggers_of_a_table_when_all_are_disabled(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            await connection.execute("ALTER TABLE games DISABLE TRIGGER USER")
            on_games = await connection.fetchval(
                "SELECT count(*) FROM keyshop.expected_triggers WHERE table_name = 'games'"
            )

        found = (await asyncio.to_thread(status, db_url)).triggers

        assert len(found) == on_games
        assert {each.fault for each in found} == {"disabled"}
        assert isinstance(found[0], TriggerFault)
