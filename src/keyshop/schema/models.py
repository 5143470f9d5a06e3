"""A description of schema public, as far as it matters to applications that use its rows."""

from typing import Literal

from msgspec import Struct


class Column(Struct, frozen=True, omit_defaults=True):
    name: str
    type: str
    nullable: bool = False
    default: str | None = None
    """The default expression, as PostgreSQL prints it."""

    generated: bool = False
    """PostgreSQL computes the value and refuses one from the writer."""


class Index(Struct, frozen=True, omit_defaults=True):
    """An index, including those of constraints."""

    name: str
    definition: str
    """The output of pg_get_indexdef from the access method on."""

    kind: Literal["primary", "unique", "plain"] = "plain"
    valid: bool = True


class Constraint(Struct, frozen=True, omit_defaults=True):
    """A foreign key, check or exclusion constraint; primary and unique keys are described as indexes."""

    name: str
    definition: str
    kind: Literal["foreign key", "other"] = "foreign key"


class Table(Struct, frozen=True, omit_defaults=True):
    """A table, or a view or foreign table."""

    name: str
    kind: str = "table"
    columns: list[Column] = []
    indexes: list[Index] = []
    constraints: list[Constraint] = []
    triggers: list[str] = []


class Enum(Struct, frozen=True):
    """An enumerated type with its labels, in order."""

    name: str
    labels: list[str]


class Schema(Struct, frozen=True):
    """All of schema public, sorted by name; columns are in the order of their table."""

    enums: list[Enum]
    tables: list[Table]
