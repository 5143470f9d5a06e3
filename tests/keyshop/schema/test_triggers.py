import asyncio

import pytest

from keyshop.schema.migrate import status
from keyshop.schema.triggers import TriggerFault
from tests.servers import connected

_ADDED = "keyshop_facets_inserted"


class TestStatus:
    async def test_finds_nothing_wrong_with_a_database_as_it_was_made(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            known = await connection.fetchval("SELECT count(*) FROM keyshop.expected_triggers")

        assert known > 50
        assert (await asyncio.to_thread(status, db_url)).triggers == []

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (f"DROP TRIGGER {_ADDED} ON games", "missing"),
            (f"ALTER TABLE games DISABLE TRIGGER {_ADDED}", "disabled"),
            (f"ALTER TABLE games ENABLE TRIGGER {_ADDED}", "changed"),
        ],
    )
    async def test_tells_a_trigger_that_does_not_do_its_work(
        self, db_url: str, change: str, fault: str
    ) -> None:
        async with connected(db_url) as connection:
            await connection.execute(change)

        found = (await asyncio.to_thread(status, db_url)).triggers

        assert [(each.table, each.trigger, each.fault) for each in found] == [
            ("public.games", _ADDED, fault)
        ]

    async def test_tells_all_that_went_with_a_switch_for_the_whole_table(self, db_url: str) -> None:
        async with connected(db_url) as connection:
            await connection.execute("ALTER TABLE games DISABLE TRIGGER USER")
            on_games = await connection.fetchval(
                "SELECT count(*) FROM keyshop.expected_triggers WHERE table_name = 'games'"
            )

        found = (await asyncio.to_thread(status, db_url)).triggers

        assert len(found) == on_games
        assert {each.fault for each in found} == {"disabled"}
        assert isinstance(found[0], TriggerFault)
