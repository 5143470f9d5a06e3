"""The time that triggers add to a statement which changes many rows."""

import re

import asyncpg
import pytest

_STOCK = """
    INSERT INTO users (id, email, "passwordHash", "updatedAt")
        SELECT 'u' || n, n || '@example.com', '', now() FROM generate_series(1, 5000) AS n;
    INSERT INTO keyshop.token_families (id, user_id, account_state, created_at, expires_at)
        SELECT 'f' || id, id, '', now(), now() FROM users;
    INSERT INTO games (id, title, slug, description, price, image, "releaseDate", "updatedAt")
        SELECT 'g' || n, 'Game ' || n, 'game-' || n, '', 1, '', now(), now()
        FROM generate_series(1, 2000) AS n;
"""

_TRIGGER = re.compile(r"Trigger (keyshop_\w+).*: time=([\d.]+) calls")


async def times_of_triggers(connection: asyncpg.Connection, statement: str) -> dict[str, float]:
    """Return the milliseconds that each of keyshop's triggers took."""
    lines = [row[0] for row in await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}")]
    found = [_TRIGGER.search(line) for line in lines]
    return {match[1]: float(match[2]) for match in found if match}


class TestManyRowsAtOnce:
    @pytest.mark.parametrize(
        ("trigger", "one", "change"),
        [
            ("token_families_revoked", "u1", 'UPDATE users SET "updatedAt" = now()'),
            ("token_families_revoked", "u1", "UPDATE users SET role = 'ADMIN'"),
            ("facets_updated", "g1", "UPDATE games SET price = price + 1, description = price"),
        ],
    )
    async def test_cost_time_linear_in_their_number(
        self, connection: asyncpg.Connection, trigger: str, one: str, change: str
    ):
        await connection.execute(_STOCK)
        # PL/pgSQL keeps the plans that it makes for this single row.
        await connection.execute(f"{change} WHERE id = '{one}'")

        times = await times_of_triggers(connection, change)

        # The cache's trigger joins the same rows and never as a nested loop. A nested loop would take
        # 400 times as long; the other work of these triggers takes at most 20 times as long.
        assert times[f"keyshop_{trigger}"] < 100 * max(times["keyshop_cache_updated"], 1), times
