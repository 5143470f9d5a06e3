"""
Compares a database with what Prisma makes, and sorts what differs.

What stops keyshop is what would make it fail or write wrong data; what is harmless is told as well,
because it may surprise.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from keyshop.schema.models import Column, Constraint, Index, Schema, Table

# The same to every writer; which one is printed depends on who made the table.
_NOW: Final = {"CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP(3)", "now()"}


class Difference(Struct, frozen=True):
    """One thing that is not as Prisma makes it."""

    stops: bool
    """Whether keyshop cannot work with it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def compare(found: Schema, expected: Schema) -> list[Difference]:
    """Return every difference, those that stop keyshop first."""
    differences = [*_enums(found, expected), *_tables(found, expected)]
    return sorted(differences, key=lambda each: (not each.stops, each.where, each.what))


def _enums(found: Schema, expected: Schema) -> Iterator[Difference]:
    types = {enum.name: enum.labels for enum in found.enums}
    for enum in expected.enums:
        where = f'type "{enum.name}"'
        labels = types.pop(enum.name, None)
        if labels is None:
            yield Difference(True, where, "is missing")
            continue
        for label in enum.labels:
            if label not in labels:
                yield Difference(True, where, f"has no label {label}")
        for label in labels:
            if label not in enum.labels:
                yield Difference(False, where, f"has one more label, {label}")
        if sorted(labels) == sorted(enum.labels) and labels != enum.labels:
            yield Difference(False, where, "has its labels in another order")
    for name in types:
        yield Difference(False, f'type "{name}"', "is no type of Prisma's shop")


def _tables(found: Schema, expected: Schema) -> Iterator[Difference]:
    tables = {table.name: table for table in found.tables}
    for wanted in expected.tables:
        table = tables.pop(wanted.name, None)
        if table is None:
            yield Difference(True, wanted.name, "is missing")
        elif table.kind != wanted.kind:
            yield Difference(True, wanted.name, f"is a {table.kind} and must be a {wanted.kind}")
        else:
            yield from _columns(table, wanted)
            yield from _indexes(table, wanted)
            yield from _constraints(table, wanted)
            yield from _triggers(table, wanted)
    for name, table in tables.items():
        whose = "Prisma's own" if name == "_prisma_migrations" else "none of Prisma's shop"
        yield Difference(False, name, f"is a {table.kind}, {whose}")


def _columns(table: Table, wanted: Table) -> Iterator[Difference]:
    columns = {column.name: column for column in table.columns}
    for column in wanted.columns:
        where = f"{table.name}.{column.name}"
        there = columns.pop(column.name, None)
        if there is None:
            yield Difference(True, where, "is missing")
        else:
            yield from _column(where, there, column)
    for name, column in columns.items():
        fills_itself = column.nullable or column.generated or column.default is not None
        what = "is one column more" if fills_itself else "is one column more, which nobody fills"
        yield Difference(not fills_itself, f"{table.name}.{name}", what)


def _column(where: str, found: Column, wanted: Column) -> Iterator[Difference]:
    if found.type != wanted.type:
        yield Difference(True, where, f"is {found.type}, where Prisma makes {wanted.type}")
    if found.nullable != wanted.nullable:
        what = (
            "takes NULL, and Prisma's does not"
            if found.nullable
            else "refuses NULL, and Prisma's does not"
        )
        yield Difference(True, where, what)
    if found.generated:
        yield Difference(True, where, "is computed by PostgreSQL and cannot be written")
    elif not _same_default(found.default, wanted.default):
        # Who says nothing must get what Prisma's writers get, unless that is nothing.
        stops = wanted.default is not None and not wanted.nullable
        what = f"has the default {found.default or 'nothing'}, where Prisma makes"
        yield Difference(stops, where, f"{what} {wanted.default or 'none'}")


def _same_default(found: str | None, wanted: str | None) -> bool:
    return found == wanted or {found, wanted} <= _NOW


def _indexes(table: Table, wanted: Table) -> Iterator[Difference]:
    left = {index.name: index for index in table.indexes}
    for index in wanted.indexes:
        same = _find_index(index, left)
        where = f"{table.name}, index {index.name}"
        if same is None:
            yield _missing_index(where, index, table)
            continue
        del left[same.name]
        if same.name != index.name:
            yield Difference(False, where, f"is called {same.name}")
    for name, index in left.items():
        yield Difference(False, f"{table.name}, index {name}", _told_index(index))


def _find_index(wanted: Index, among: dict[str, Index]) -> Index | None:
    """Find the index that does the same, best the one of the same name."""
    same = [
        index
        for index in among.values()
        if (index.kind, index.definition, index.valid) == (wanted.kind, wanted.definition, True)
    ]
    return min(same, key=lambda index: index.name != wanted.name, default=None)


def _missing_index(where: str, wanted: Index, table: Table) -> Difference:
    if wanted.kind == "primary":
        return Difference(True, where, f"is missing: the primary key {_columns_of(wanted)}")
    if wanted.kind == "unique":
        return Difference(True, where, f"is missing: {_columns_of(wanted)} is not kept unique")
    served = any(_serves(index, wanted) for index in table.indexes)
    why = "another index does the same" if served else "some reads are slower"
    return Difference(False, where, f"on {_columns_of(wanted)} is missing ({why})")


def _serves(index: Index, wanted: Index) -> bool:
    begins = wanted.definition.removesuffix(")") + ","
    same = index.definition == wanted.definition or index.definition.startswith(begins)
    return index.valid and same and " WHERE " not in index.definition


def _told_index(index: Index) -> str:
    if not index.valid:
        return "is invalid: it was not built to its end, and serves nobody"
    if index.kind == "plain":
        return "is one index more"
    return f"keeps {_columns_of(index)} unique, and may refuse what keyshop writes"


def _columns_of(index: Index) -> str:
    return index.definition.removeprefix("btree ")


def _constraints(table: Table, wanted: Table) -> Iterator[Difference]:
    left = {constraint.name: constraint for constraint in table.constraints}
    for constraint in wanted.constraints:
        where = f"{table.name}, foreign key {constraint.name}"
        same = [each for each in left.values() if each.definition == constraint.definition]
        if same:
            chosen = min(same, key=lambda each: each.name != constraint.name)
            del left[chosen.name]
            if chosen.name != constraint.name:
                yield Difference(False, where, f"is called {chosen.name}")
        else:
            yield _missing_key(where, constraint, left.pop(constraint.name, None))
    for name, more in left.items():
        what = f"is one {more.kind if more.kind != 'other' else 'condition'} more"
        where = f"{table.name}, constraint {name}"
        yield Difference(False, where, f"{what}, and may refuse what keyshop writes")


def _missing_key(where: str, wanted: Constraint, found: Constraint | None) -> Difference:
    if found is None:
        return Difference(True, where, f"is missing: {wanted.definition}")
    return Difference(True, where, f"is {found.definition}, where Prisma makes {wanted.definition}")


def _triggers(table: Table, wanted: Table) -> Iterator[Difference]:
    for name in table.triggers:
        if name not in wanted.triggers:
            where = f"{table.name}, trigger {name}"
            yield Difference(False, where, "runs on what keyshop writes, too")
