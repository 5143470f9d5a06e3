"""
Records the triggers that revisions install, and finds those that are missing or disabled.

Without such a trigger, search tables and cache disagree with the shop's tables, and nothing else reports it.
"""

from typing import Final, Literal

from msgspec import Struct

from keyshop.schema.connect import Connection

_HAS_TABLE: Final = "SELECT to_regclass('keyshop.expected_triggers') IS NOT NULL"

_RECORD: Final = """
    INSERT INTO keyshop.expected_triggers (schema_name, table_name, name, enabled)
    SELECT c.relnamespace::regnamespace::text, c.relname, t.tgname, t.tgenabled::text
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_proc AS p ON p.oid = t.tgfoid AND p.pronamespace = 'keyshop'::regnamespace
    WHERE NOT t.tgisinternal
    ON CONFLICT DO NOTHING
"""

_FAULTS: Final = """
    SELECT r.schema_name || '.' || r.table_name AS table, r.name AS trigger,
        CASE WHEN t.oid IS NULL THEN 'missing' WHEN t.tgenabled = 'D' THEN 'disabled'
            ELSE 'changed' END AS fault
    FROM keyshop.expected_triggers AS r
    LEFT JOIN pg_namespace AS n ON n.nspname = r.schema_name
    LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.table_name
    LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = r.name
    WHERE t.oid IS NULL OR t.tgenabled::text <> r.enabled
    UNION ALL
    SELECT 'all tables', 'all of foreign keys (session_replication_role is replica)', 'disabled'
    WHERE current_setting('session_replication_role') = 'replica'
    ORDER BY 1, 2
"""


class TriggerFault(Struct, frozen=True):
    """A trigger that does not fire as installed."""

    table: str
    trigger: str
    fault: Literal["missing", "disabled", "changed"]
    """`changed`: it fires in some sessions only (see session_replication_role)."""


async def record_triggers(connection: Connection) -> None:
    """Record keyshop's triggers that have not been recorded yet."""
    if await connection.fetchval(_HAS_TABLE):
        await connection.execute(_RECORD)


async def list_trigger_faults(connection: Connection) -> list[TriggerFault]:
    """
    Return the recorded triggers that are missing, disabled or changed.

    A role for which session_replication_role is `replica` is one more fault: in its sessions no foreign
    key is checked, and a plain role cannot change that.
    """
    if not await connection.fetchval(_HAS_TABLE):
        return []
    return [
        TriggerFault(record["table"], record["trigger"], record["fault"])
        for record in await connection.fetch(_FAULTS)
    ]
