"""
Compares schema public with what Prisma makes, and classifies the differences.

A difference stops keyshop if it would make keyshop fail or write wrong data. Harmless differences are
reported too, because they can surprise an operator.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from keyshop.schema.models import Column, Constraint, Index, Schema, Table

# Equivalent defaults: which one PostgreSQL prints depends on how the table was created.
_NOW: Final = {"CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP(3)", "now()"}


class Difference(Struct, frozen=True):
    """An object that is not as Prisma makes it."""

    stops: bool
    """Whether keyshop cannot work with the database because of it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def compare(found: Schema, expected: Schema) -> list[Difference]:
    """Return all differences; those that stop keyshop come first."""
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
                yield Difference(False, where, f"has an additional label, {label}")
        if sorted(labels) == sorted(enum.labels) and labels != enum.labels:
            yield Difference(False, where, "has its labels in a different order")
    for name in types:
        yield Difference(False, f'type "{name}"', "is a type that Prisma does not make")


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
        is_own = name == "_prisma_migrations"
        reason = "Prisma keeps for itself" if is_own else "Prisma does not make"
        yield Difference(False, name, f"is a {table.kind} that {reason}")


def _columns(table: Table, wanted: Table) -> Iterator[Difference]:
    columns = {column.name: column for column in table.columns}
    for column in wanted.columns:
        where = f"{table.name}.{column.name}"
        found = columns.pop(column.name, None)
        if found is None:
            yield Difference(True, where, "is missing")
        else:
            yield from _column(where, found, column)
    for name, column in columns.items():
        where = f"{table.name}.{name}"
        if column.nullable or column.generated or column.default is not None:
            yield Difference(False, where, "is an additional column")
        else:
            yield Difference(True, where, "is an additional required column without a default")


def _column(where: str, found: Column, wanted: Column) -> Iterator[Difference]:
    if found.type != wanted.type:
        yield Difference(True, where, f"is {found.type}; Prisma makes {wanted.type}")
    if found.nullable != wanted.nullable:
        does, prismas = ("allows", "does not") if found.nullable else ("does not allow", "does")
        yield Difference(True, where, f"{does} NULL; Prisma's {prismas}")
    if found.generated:
        yield Difference(True, where, "is a generated column and cannot be written")
    elif not _same_default(found.default, wanted.default):
        # keyshop relies on the defaults of required columns.
        stops = wanted.default is not None and not wanted.nullable
        what = f"has {_default(found)}; Prisma makes {_default(wanted)}"
        yield Difference(stops, where, what)


def _default(column: Column) -> str:
    return "no default" if column.default is None else f"the default {column.default}"


def _same_default(found: str | None, wanted: str | None) -> bool:
    return found == wanted or {found, wanted} <= _NOW


def _indexes(table: Table, wanted: Table) -> Iterator[Difference]:
    unmatched = {index.name: index for index in table.indexes}
    for index in wanted.indexes:
        same = _find_index(index, unmatched)
        where = f"{table.name}, index {index.name}"
        if same is None:
            yield _missing_index(where, index, table)
            continue
        del unmatched[same.name]
        if same.name != index.name:
            yield Difference(False, where, f"is named {same.name}")
    for name, index in unmatched.items():
        yield Difference(False, f"{table.name}, index {name}", _describe_extra(index))


def _find_index(wanted: Index, among: dict[str, Index]) -> Index | None:
    """Find an equivalent index, preferably the one with the same name."""
    same = [
        index
        for index in among.values()
        if (index.kind, index.definition, index.valid) == (wanted.kind, wanted.definition, True)
    ]
    return min(same, key=lambda index: index.name != wanted.name, default=None)


def _missing_index(where: str, wanted: Index, table: Table) -> Difference:
    if wanted.kind == "primary":
        return Difference(True, where, f"is missing: it is the primary key {_columns_of(wanted)}")
    if wanted.kind == "unique":
        return Difference(True, where, f"is missing, so {_columns_of(wanted)} is not unique")
    served = any(_serves(index, wanted) for index in table.indexes)
    effect = "another index serves the same reads" if served else "some reads are slower"
    return Difference(False, where, f"on {_columns_of(wanted)} is missing ({effect})")


def _serves(index: Index, wanted: Index) -> bool:
    begins = wanted.definition.removesuffix(")") + ","
    same = index.definition == wanted.definition or index.definition.startswith(begins)
    return index.valid and same and " WHERE " not in index.definition


def _describe_extra(index: Index) -> str:
    if not index.valid:
        return "is invalid: its build was interrupted, and no query uses it"
    if index.kind == "plain":
        return "is an additional index"
    return (
        f"is an additional unique index on {_columns_of(index)}, which may refuse keyshop's writes"
    )


def _columns_of(index: Index) -> str:
    return index.definition.removeprefix("btree ")


def _constraints(table: Table, wanted: Table) -> Iterator[Difference]:
    unmatched = {constraint.name: constraint for constraint in table.constraints}
    for constraint in wanted.constraints:
        where = f"{table.name}, foreign key {constraint.name}"
        same = [each for each in unmatched.values() if each.definition == constraint.definition]
        if same:
            chosen = min(same, key=lambda each: each.name != constraint.name)
            del unmatched[chosen.name]
            if chosen.name != constraint.name:
                yield Difference(False, where, f"is named {chosen.name}")
        else:
            yield _missing_key(where, constraint, unmatched.pop(constraint.name, None))
    for name, more in unmatched.items():
        kind = "constraint" if more.kind == "other" else more.kind
        where = f"{table.name}, constraint {name}"
        what = f"is an additional {kind}, which may refuse keyshop's writes"
        yield Difference(False, where, what)


def _missing_key(where: str, wanted: Constraint, found: Constraint | None) -> Difference:
    if found is None:
        return Difference(True, where, f"is missing: {wanted.definition}")
    return Difference(True, where, f"is {found.definition}; Prisma makes {wanted.definition}")


def _triggers(table: Table, wanted: Table) -> Iterator[Difference]:
    for name in table.triggers:
        if name not in wanted.triggers:
            where = f"{table.name}, trigger {name}"
            yield Difference(False, where, "also fires on keyshop's writes")
