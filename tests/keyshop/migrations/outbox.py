"""The outbox rows that triggers wrote, and rows that fire the triggers."""

from operator import itemgetter
from typing import Any, TypeAlias

import asyncpg
from msgspec import Struct

from keyshop.kit.cache.families import digest

# Quoted: only the type checker knows it as generic.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_TAKE = "DELETE FROM keyshop.cache_outbox RETURNING id, keys, groups"

_TIMES = {"games": ("releaseDate", "updatedAt"), "users": ("updatedAt",)}


class Recorded(Struct, frozen=True):
    """The keys and groups that one statement invalidates."""

    keys: set[str] = set()
    groups: set[str] = set()


async def take(connection: Connection) -> list[Recorded]:
    """Remove and return all outbox rows, in order."""
    records = sorted(await connection.fetch(_TAKE), key=itemgetter("id"))
    for record in records:
        assert len(set(record["keys"])) == len(record["keys"])
        assert len(set(record["groups"])) == len(record["groups"])
        assert None not in record["keys"] + record["groups"]
    return [Recorded(set(record["keys"]), set(record["groups"])) for record in records]


async def recorded_by(connection: Connection, sql: str, *args: object) -> list[Recorded]:
    """Run the statement and return the outbox rows it caused."""
    await take(connection)
    await connection.execute(sql, *args)
    return await take(connection)


def game(game_id: str, *slugs: str) -> set[str]:
    """Return the keys of a game."""
    return {f"game:{game_id}", *(f"game:slug:{digest(slug)}" for slug in slugs)}


async def add(connection: Connection, table: str, **columns: Any) -> None:
    """Insert a row; required columns that the test does not name get default values."""
    row = _DEFAULTS.get(table, {}) | columns
    if table == "games":
        row = {"slug": f"slug-of-{row['id']}"} | row
    if table == "users":
        row = {"email": f"{row['id']}@shop.example"} | row
    times = _TIMES.get(table, ())
    names = ", ".join(f'"{name}"' for name in (*row, *times))
    values = ", ".join([*(f"${place + 1}" for place in range(len(row))), *["now()"] * len(times)])
    await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", *row.values())


_DEFAULTS: dict[str, dict[str, Any]] = {
    "games": {"title": "A Game", "description": "Nothing to add.", "price": 20, "image": "a.jpg"},
    "users": {"passwordHash": "secret"},
    "orders": {"subtotal": 20, "total": 20},
    "order_items": {"price": 20},
    "transactions": {"type": "PURCHASE", "amount": -20, "status": "COMPLETED"},
}
