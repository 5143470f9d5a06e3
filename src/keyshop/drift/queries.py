"""SQL of the audit."""

from typing import Final

from asyncpg import Record

from keyshop.kit.database.transaction import Reader

# One statement: all rules see the same moment, so an order under way contradicts none of them.
_LIST: Final = """
    SELECT name, subject, subject_id, detail, total FROM (
        SELECT name, subject, subject_id, detail, count(*) OVER same_rule AS total,
            row_number() OVER (same_rule ORDER BY subject_id, detail) AS place
        FROM keyshop.violations
        WINDOW same_rule AS (PARTITION BY name)
    ) AS found
    WHERE place <= $1
    ORDER BY name, place
"""


async def list_violations(reader: Reader, *, limit: int) -> list[Record]:
    """Return up to `limit` violations of each rule, each with the `total` of its rule."""
    return await reader.fetch(_LIST, limit)
