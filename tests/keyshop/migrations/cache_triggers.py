"""
The triggers that `cache_keys.py` stands for, as PostgreSQL prints them.

A revision's text was written by this: `python -m tests.keyshop.migrations.cache_triggers TABLE...`.
"""

import sys
from collections.abc import Collection, Iterator
from textwrap import fill, indent
from typing import Final

from msgspec import Struct

from keyshop.cache_keys import SOURCES, Group, Key, Source


class Event(Struct, frozen=True):
    """What can happen to rows, and the names that it has."""

    done: str
    verb: str
    rows: str
    """The transition tables."""


INSERTED: Final = Event("inserted", "INSERT", "NEW TABLE AS new_rows")
UPDATED: Final = Event("updated", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows")
DELETED: Final = Event("deleted", "DELETE", "OLD TABLE AS old_rows")
EMPTIED: Final = Event("emptied", "TRUNCATE", "")

EVENTS: Final = (INSERTED, UPDATED, DELETED, EMPTIED)


class Trigger(Struct, frozen=True):
    """A trigger of a table and its function."""

    table: str
    event: Event
    body: str

    @property
    def function(self) -> str:
        return f"cache_{self.table.rpartition('.')[2]}_{self.event.done}"

    @property
    def on(self) -> str:
        return self.table if "." in self.table else f"public.{self.table}"

    @property
    def name(self) -> str:
        return f"keyshop_cache_{self.event.done}"

    @property
    def function_definition(self) -> str:
        """As pg_get_functiondef says it."""
        return (
            f"CREATE OR REPLACE FUNCTION keyshop.{self.function}()\n RETURNS trigger\n"
            " LANGUAGE plpgsql\n SECURITY DEFINER\n SET search_path TO 'pg_catalog'\n"
            f"AS $function$\n{self.body}\n$function$\n"
        )

    @property
    def trigger_definition(self) -> str:
        """As pg_get_triggerdef says it."""
        referencing = f"REFERENCING {self.event.rows} " if self.event.rows else ""
        return (
            f"CREATE TRIGGER {self.name} AFTER {self.event.verb} ON {self.on} "
            f"{referencing}FOR EACH STATEMENT EXECUTE FUNCTION keyshop.{self.function}()"
        )


def triggers() -> Iterator[Trigger]:
    """Yield all triggers of the registry."""
    for source in SOURCES:
        for event in EVENTS:
            body = _emptied(source) if event is EMPTIED else _changed(source, event)
            yield Trigger(source.table, event, body)


def revision(tables: Collection[str]) -> str:
    """Return the statements that create those of these tables, or of all when none are named."""
    chosen = (trigger for trigger in triggers() if not tables or trigger.table in tables)
    return "\n".join(_created(trigger) for trigger in chosen)


def _created(trigger: Trigger) -> str:
    definition = trigger.trigger_definition
    for word in (" REFERENCING", " FOR EACH"):
        definition = definition.replace(word, f"\n   {word}")
    return (
        f"CREATE FUNCTION keyshop.{trigger.function}() RETURNS trigger\n"
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$\n"
        f"{trigger.body}\n$$;\n{definition};\n"
        f"ALTER TABLE {trigger.on} ENABLE ALWAYS TRIGGER {trigger.name};\n"
    )


def _emptied(source: Source) -> str:
    groups = {key.family.group: None for key in source.keys}
    groups |= {group.name: None for group in source.groups}
    return f"""\
BEGIN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES ('{{}}', '{{{",".join(groups)}}}');
    RETURN NULL;
END"""


def _changed(source: Source, event: Event) -> str:
    """Return the function's body: look at the rows once, make keys and groups, note them."""
    groups = [group for group in source.groups if event is not INSERTED or group.when_added]
    flagged = [group for group in groups if _is_flagged(source, group.columns, event)]
    moved = event is UPDATED and source.table in _looked_up()
    declared = ["concerned bigint;", *(f"{_taken(key)} text[];" for key in source.keys)]
    declared += [f"of_{group.name} boolean;" for group in flagged]
    declared += ["moved text[];"] * moved + ["taken_keys text[];", "taken_groups text[];"]
    steps = [_gather(source, event, flagged, moved=moved), _STOP]
    steps += [_LOCK_MOVED.format(table=source.table)] * moved
    steps += [f"{_taken(key)} := {_keys(key)};" for key in source.keys]
    steps.append(_groups(source, groups, flagged))
    steps.append(_note(source))
    return (
        "DECLARE\n"
        + indent("\n".join(declared), "    ")
        + "\nBEGIN\n"
        + indent("\n".join(steps), "    ")
        + "\nEND"
    )


_STOP: Final = """\
IF concerned = 0 THEN
    RETURN NULL;
END IF;"""

# Whoever found the old value by this row's id holds its key share lock, and is waited for.
_LOCK_MOVED: Final = """\
IF moved IS NOT NULL THEN
    PERFORM FROM public.{table} WHERE id = ANY(moved) ORDER BY id FOR UPDATE;
END IF;"""


def _gather(source: Source, event: Event, flagged: list[Group], *, moved: bool) -> str:
    """Return the one statement that reads the rows."""
    found = {"concerned": "count(*)"}
    for key in source.keys:
        found[_taken(key)] = _collect(source, key, event)
    for group in flagged:
        found[f"of_{group.name}"] = f"bool_or({_differs(group.columns)})"
    if moved:
        column = _looked_up()[source.table]
        found["moved"] = f"array_agg(n.id) FILTER (WHERE {_differs((column,))})"
    return (
        "SELECT\n"
        + indent(",\n".join(found.values()), "    ")
        + f"\nINTO {', '.join(found)}\n"
        + _rows(source, event)
    )


def _rows(source: Source, event: Event) -> str:
    if event is INSERTED:
        return "FROM new_rows AS n;"
    if event is DELETED:
        return "FROM old_rows AS o;"
    same = " AND ".join(f"o.{_name(c)} = n.{_name(c)}" for c in source.primary_key)
    return (
        f"FROM old_rows AS o FULL JOIN new_rows AS n ON {same}\n"
        f"WHERE {_differs(_all_columns(source))};"
    )


def _collect(source: Source, key: Key, event: Event) -> str:
    of = _name(key.part_column)
    if event is not UPDATED:
        return f"array_agg({'n' if event is INSERTED else 'o'}.{of})"
    differs = _differs((key.part_column,))
    if not _is_flagged(source, key.columns, event):
        return f"array_agg(n.{of}) || array_agg(o.{of}) FILTER (WHERE {differs})"
    return (
        f"array_agg(n.{of}) FILTER (WHERE {_differs(key.columns)})\n"
        f"    || array_agg(o.{of}) FILTER (WHERE {differs})"
    )


def _keys(key: Key) -> str:
    before, _, rest = key.family.pattern.partition("{")
    after = rest.partition("}")[2]
    parts = f"coalesce({_taken(key)}, '{{}}')"
    if key.joined is not None:
        parts = f"keyshop.cache_{key.joined.table}_{key.joined.column.lower()}({parts})"
    if _is_digest(key):
        return f"keyshop.cache_digest_keys('{before}', {parts}, '{after}')"
    return f"keyshop.cache_keys('{before}', {parts}, '{after}')"


def _groups(source: Source, groups: list[Group], flagged: list[Group]) -> str:
    lines = [f"'{group.name}'" for group in groups if group not in flagged]
    lines += [f"CASE WHEN of_{group.name} THEN '{group.name}' END" for group in flagged]
    for name in dict.fromkeys(key.family.group for key in source.keys):
        too_many = " OR ".join(
            f"{_taken(key)} IS NULL" for key in source.keys if key.family.group == name
        )
        lines.append(f"CASE WHEN {too_many} THEN '{name}' END")
    return (
        "taken_groups := array_remove(ARRAY[\n" + indent(",\n".join(lines), "    ") + "\n], NULL);"
    )


def _note(source: Source) -> str:
    keys = " || ".join(_taken(key) for key in source.keys) or "'{}'"
    return f"""\
taken_keys := coalesce({keys}, '{{}}');
IF taken_keys <> '{{}}' OR taken_groups <> '{{}}' THEN
    INSERT INTO keyshop.cache_outbox (keys, groups) VALUES (taken_keys, taken_groups);
END IF;
RETURN NULL;"""


def _differs(columns: tuple[str, ...]) -> str:
    if len(columns) == 1:
        return f"o.{_name(columns[0])} IS DISTINCT FROM n.{_name(columns[0])}"
    old, new = (_row(row, columns) for row in "on")
    return f"{old} IS DISTINCT FROM\n{new}"


def _row(row: str, columns: tuple[str, ...]) -> str:
    text = ", ".join(f"{row}.{_name(column)}" for column in columns)
    return fill(f"({text})", 88, subsequent_indent="    ", break_on_hyphens=False)


def _is_flagged(source: Source, columns: tuple[str, ...], event: Event) -> bool:
    """Test whether a row may be concerned that did not change in these columns."""
    return event is UPDATED and set(columns) != set(_all_columns(source))


def _all_columns(source: Source) -> tuple[str, ...]:
    of_keys = (column for key in source.keys for column in key.columns)
    of_groups = (column for group in source.groups for column in group.columns)
    return tuple(dict.fromkeys((*of_keys, *of_groups)))


def _looked_up() -> dict[str, str]:
    """Return the tables in which keys are found, with the column that holds them."""
    return {
        key.joined.table: key.joined.column
        for source in SOURCES
        for key in source.keys
        if key.joined is not None
    }


def _taken(key: Key) -> str:
    return f"{key.family.name}_keys"


def _is_digest(key: Key) -> bool:
    return "{digest}" in key.family.pattern


def _name(column: str) -> str:
    return column if column.islower() else f'"{column}"'


if __name__ == "__main__":
    print(revision(sys.argv[1:]))  # noqa: T201
