"""What there is in schema public, as far as whoever reads and writes the shop's rows notices."""

from typing import Literal

from msgspec import Struct


class Column(Struct, frozen=True, omit_defaults=True):
    """A column of a table."""

    name: str
    type: str
    nullable: bool = False
    default: str | None = None
    """What a writer gets that says nothing, as PostgreSQL prints it."""

    generated: bool = False
    """PostgreSQL computes it and refuses a value."""


class Index(Struct, frozen=True, omit_defaults=True):
    """An index, or the one behind a constraint."""

    name: str
    definition: str
    """What pg_get_indexdef says from the method on."""

    kind: Literal["primary", "unique", "plain"] = "plain"
    valid: bool = True


class Constraint(Struct, frozen=True, omit_defaults=True):
    """A foreign key or another condition; primary keys and unique ones are indexes."""

    name: str
    definition: str
    kind: Literal["foreign key", "other"] = "foreign key"


class Table(Struct, frozen=True, omit_defaults=True):
    """A table, or what stands in its place."""

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
    """Everything in schema public, sorted by name; columns in the order of the table."""

    enums: list[Enum]
    tables: list[Table]
