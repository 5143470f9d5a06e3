"""
Changes of Prisma's schema, and the migrations that its command line makes of them.

    python -m tests.factories.prisma_changes DATABASE_URL

writes them anew to tests/prisma/recorded (see tests/prisma); the database is only connected to.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.factories.prisma_client import FOLDER, run_prisma

RECORDED = FOLDER / "recorded"

_TYPES = {
    "String": "String{} @db.VarChar(4000)",
    "Int": "BigInt{}",
    "DateTime": "DateTime{} @db.Timestamptz(3)",
    "Boolean": "String{}",
}


def _with_more_labels(schema: str) -> str:
    return re.sub(r"^(enum \w+ \{\n)", r"\1  RETIRED\n", schema, flags=re.MULTILINE)


def _retyped(schema: str) -> str:
    def retype(field: re.Match[str]) -> str:
        name, type_, optional, rest = field.groups()
        changed = _TYPES[type_].format(optional)
        if type_ == "Boolean":
            rest = re.sub(r"@default\((\w+)\)", r'@default("\1")', rest)
        return f"  {name} {changed}{rest.replace('@db.SmallInt', '')}"

    schema = re.sub(r"@db\.Decimal\(\d+, 2\)", "@db.Decimal(12, 2)", schema)
    return re.sub(
        rf"^  (\w+) +({'|'.join(_TYPES)})\b(\??|\[\])(?![\w\[])(.*)$",
        retype,
        schema,
        flags=re.MULTILINE,
    )


def _renamed(schema: str) -> str:
    """Map every field to another column; Prisma then drops the old one and adds the new one."""
    return re.sub(
        r"^(  (\w+) +(?:String|Int|Boolean|DateTime|Decimal|Json|Role|\w+Status|\w+Type)\b"
        r"(?!.*@relation|.*@id).*)$",
        r'\1 @map("\2_new")',
        schema,
        flags=re.MULTILINE,
    )


def _without_indexes(schema: str) -> str:
    schema = re.sub(r"^  @@index.*\n", "", schema, flags=re.MULTILINE)
    # A one-to-one relation needs its unique index.
    return re.sub(r"^(?!  orderId)(.*) @unique", r"\1", schema, flags=re.MULTILINE)


def _with_other_keys(schema: str) -> str:
    def rekey(model: re.Match[str]) -> str:
        text = model[0]
        if "@@id(" in text:
            return re.sub(r"@@id\(\[(\w+), (\w+)\]\)", r"@@id([\2, \1])", text)
        second = re.search(r"^  (?!id )(\w+) +(String|Int|DateTime|Decimal) ", text, re.MULTILINE)
        assert second
        text = text.replace("@id @default", "@unique @default")
        return text.replace("  @@map", f"  @@id([id, {second[1]}])\n  @@map")

    return re.sub(r"^model .*?^\}", rekey, schema, flags=re.MULTILINE | re.DOTALL)


def _same(schema: str) -> str:
    return schema


CHANGES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "enums": (_with_more_labels, _same),
    "retyped": (_same, _retyped),
    "renamed": (_same, _renamed),
    "indexes_dropped": (_same, _without_indexes),
    "indexes_added": (_without_indexes, _same),
    "keys": (_same, _with_other_keys),
}
"""The schema before and after each change, made from schema.prisma."""


async def make_migration(database_url: str, name: str) -> str:
    """Return the migration that Prisma's command line makes of this change."""
    schema = (FOLDER / "schema.prisma").read_text()
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.prisma"), Path(folder, "after.prisma")
        for file, change in zip((before, after), CHANGES[name], strict=True):
            file.write_text(change(schema))
        return await run_prisma(
            database_url, "migrate", "diff", "--from-schema-datamodel", str(before),
            "--to-schema-datamodel", str(after), "--script",
        )  # fmt: skip


async def _record(database_url: str) -> None:
    for name in CHANGES:
        (RECORDED / f"{name}.sql").write_text(await make_migration(database_url, name))


if __name__ == "__main__":
    RECORDED.mkdir(exist_ok=True)
    asyncio.run(_record(sys.argv[1]))
