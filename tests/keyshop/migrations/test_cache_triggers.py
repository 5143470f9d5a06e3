import asyncpg

from keyshop.schema.cache_triggers import build_triggers

_FUNCTIONS = """
    SELECT proname, pg_get_functiondef(oid) AS definition FROM pg_proc
    WHERE pronamespace = 'keyshop'::regnamespace AND prorettype = 'trigger'::regtype
        AND proname LIKE 'cache\\_%'
"""

_TRIGGERS = """
    SELECT tgfoid::regproc::text, pg_get_triggerdef(oid), tgenabled FROM pg_trigger
    WHERE tgname LIKE 'keyshop\\_cache\\_%'
"""


class TestTriggers:
    async def test_run_the_generated_functions(self, connection: asyncpg.Connection) -> None:
        records = await connection.fetch(_FUNCTIONS)
        found = {record["proname"]: record["definition"] for record in records}

        assert found == {
            trigger.function: trigger.function_definition for trigger in build_triggers()
        }

    async def test_are_the_generated_ones_and_fire_in_every_session(
        self, connection: asyncpg.Connection
    ) -> None:
        # PostgreSQL then prints names with their schemas, whatever the role.
        await connection.execute("SET search_path = pg_catalog")

        found = {tuple(record) for record in await connection.fetch(_TRIGGERS)}

        assert found == {
            (f"keyshop.{trigger.function}", trigger.trigger_definition, b"A")
            for trigger in build_triggers()
        }
