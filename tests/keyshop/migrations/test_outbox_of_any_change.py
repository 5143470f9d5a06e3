"""The triggers' outbox rows for random changes, compared with cache_keys row by row."""

import json
from random import Random
from typing import Any, TypeAlias

import pytest

from keyshop.cache_keys import SOURCES, Key, Source
from keyshop.kit.cache.families import digest
from tests.keyshop.migrations.outbox import Connection, Recorded, take

Row: TypeAlias = dict[str, Any]

# Ids of referenced rows; the last one cannot be part of a key.
IDS = ("a", "b", "c", "not a key")

_COLUMNS = """
    SELECT attname, format_type(atttypid, NULL) AS type, attnotnull, EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = attrelid AND indisunique AND attnum = ANY(indkey) AND indnkeyatts = 1
    ) AS is_unique
    FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""

_VALUES: dict[str, tuple[Any, ...]] = {
    "text": ("a", "b"),
    "text[]": ([], ["a", "b"]),
    "numeric": (1, 2),
    "integer": (1, 2),
    "smallint": (1, 2),
    "boolean": (False, True),
    "timestamp without time zone": ("2026-01-01", "2026-01-02"),
    "bytea": ("a", "b"),
    "jsonb": ({}, {"a": 1}),
    '"Role"': ("USER", "ADMIN"),
    '"OrderStatus"': ("PENDING", "COMPLETED"),
    '"PaymentStatus"': ("PENDING", "COMPLETED"),
    '"TransactionType"': ("TOP_UP", "PURCHASE"),
}


_CHECKS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c'
"""


class TestAnyChange:
    @pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.table)
    async def test_is_recorded_as_cache_keys_says(self, connection, source: Source) -> None:
        chance = Random(source.table)
        # Switches foreign keys off, so that rows can refer to missing rows.
        await connection.execute("SET LOCAL session_replication_role = replica")
        await _store(connection, "games", [_referred(place, "slug") for place in IDS])
        await _store(connection, "orders", [_referred(place, "userId") for place in IDS])
        for (statement,) in await connection.fetch(_CHECKS, source.table):
            await connection.execute(statement)
        columns = await connection.fetch(_COLUMNS, source.table)
        await take(connection)

        for _ in range(30):
            await _try(connection, source, columns, chance)


async def _try(connection: Connection, source: Source, columns: list[Any], chance: Random) -> None:
    """Insert, update and delete a few rows; each statement records what cache_keys says."""
    rows = [_random_row(chance, columns, source) for _ in range(chance.randrange(1, 4))]
    changed_rows = [_changed(chance, row, columns, source) for row in rows]

    await _store(connection, source.table, rows)
    assert await take(connection) == _expected(source, [], rows, await _parts(connection))

    await _change(connection, source, rows, changed_rows)
    assert await take(connection) == _expected(source, rows, changed_rows, await _parts(connection))

    await _remove(connection, source, changed_rows)
    assert await take(connection) == _expected(source, changed_rows, [], await _parts(connection))


def _expected(
    source: Source, old: list[Row], new: list[Row], parts: dict[str, dict[str, str]]
) -> list[Recorded]:
    """Return the outbox row that cache_keys demands, computed row by row."""
    before = {tuple(row[c] for c in source.primary_key): row for row in old}
    after = {tuple(row[c] for c in source.primary_key): row for row in new}
    keys: set[str] = set()
    groups: set[str] = set()
    for identity in before.keys() | after.keys():
        o, n = before.get(identity, {}), after.get(identity, {})
        for key in source.keys:
            if _differ(o, n, key.columns):
                keys |= {name for row in (o, n) if (name := _name(key, row, parts))}
        groups |= {
            group.name
            for group in source.groups
            if _differ(o, n, group.columns) and (old or group.when_added)
        }
    return [Recorded(keys, groups)] if keys or groups else []


def _differ(old: Row, new: Row, columns: tuple[str, ...]) -> bool:
    return not (old and new) or any(old[column] != new[column] for column in columns)


def _name(key: Key, row: Row, parts: dict[str, dict[str, str]]) -> str | None:
    part = row.get(key.part_column)
    if key.joined is not None and part is not None:
        part = parts[key.joined.table].get(part)
    if part is None:
        return None
    name = key.family.pattern.partition("{")[2].partition("}")[0]
    found = key.family.find_key(**{name: digest(part) if name == "digest" else part})
    return None if found is None else found.name


async def _parts(connection: Connection) -> dict[str, dict[str, str]]:
    """Return the joined columns of other rows, by id."""
    games = await connection.fetch("SELECT id, slug FROM games")
    orders = await connection.fetch('SELECT id, "userId" FROM orders')
    return {
        "games": {record["id"]: record["slug"] for record in games},
        "orders": {record["id"]: record["userId"] for record in orders},
    }


def _random_row(chance: Random, columns: list[Any], source: Source) -> Row:
    return {column["attname"]: _value(chance, column, source) for column in columns}


def _value(chance: Random, column: Any, source: Source) -> Any:
    name = column["attname"]
    if not column["attnotnull"] and chance.random() < 0.3:
        return None
    if column["is_unique"] or source.primary_key[-1] == name:
        return f"{chance.choice(('plain', 'not plain'))}{chance.randrange(10**9)}"
    if name.endswith("Id"):
        return chance.choice(IDS)
    return chance.choice(_VALUES[column["type"]])


def _changed(chance: Random, row: Row, columns: list[Any], source: Source) -> Row:
    """Return the row with different values in a few columns, or in none."""
    chosen = chance.sample(columns, k=min(len(columns), chance.choice((0, 1, 1, 2))))
    return row | {column["attname"]: _value(chance, column, source) for column in chosen}


def _referred(place: str, part: str) -> Row:
    common = {"id": place, "price": 1, "title": "", "description": "", "image": "", "currency": ""}
    times = {"releaseDate": "2026-01-01", "createdAt": "2026-01-01", "updatedAt": "2026-01-01"}
    flags = dict.fromkeys(
        ("inStock", "g2aStock", "multiplayer", "isBestSeller", "isNew", "isPreorder"), False
    )
    order = {"status": "PENDING", "subtotal": 1, "discount": 0, "total": 1}
    return {**common, **times, **flags, **order, part: f"{part} of {place}"}


async def _store(connection: Connection, table: str, rows: list[Row]) -> None:
    await connection.execute(
        f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::json)",
        json.dumps(rows),
    )


async def _change(connection: Connection, source: Source, old: list[Row], new: list[Row]) -> None:
    table = source.table
    names = ", ".join(f'"{name}"' for name in new[0])
    values = ", ".join(f'n."{name}"' for name in new[0])
    numbered = (
        f"(SELECT row_number() OVER () AS place, * FROM json_populate_recordset(NULL::{table},"
    )
    await connection.execute(
        f"UPDATE {table} AS t SET ({names}) = ROW({values}) FROM {numbered} $1::json)) AS o"
        f" JOIN {numbered} $2::json)) AS n USING (place) WHERE {_same(source, 't', 'o')}",
        json.dumps(old),
        json.dumps(new),
    )


async def _remove(connection: Connection, source: Source, rows: list[Row]) -> None:
    table = source.table
    await connection.execute(
        f"DELETE FROM {table} AS t USING json_populate_recordset(NULL::{table}, $1::json) AS r"
        f" WHERE {_same(source, 't', 'r')}",
        json.dumps(rows),
    )


def _same(source: Source, one: str, other: str) -> str:
    return " AND ".join(f'{one}."{c}" = {other}."{c}"' for c in source.primary_key)
