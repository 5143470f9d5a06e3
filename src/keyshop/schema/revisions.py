"""The revisions of the schema, as Alembic keeps them, and their SQL."""

import re
from io import StringIO
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from msgspec import Struct

from keyshop.schema.lock_timeout import LOCK_TIMEOUT

_SCRIPTS: Final = "keyshop:migrations"

# How revisions spell an index on a table of the shop; a test compares with what is made.
_INDEX: Final = re.compile(
    r'^CREATE INDEX IF NOT EXISTS (?P<name>"keyshop_\w+"|keyshop_\w+)\s+(?P<rest>ON public\.[^;]+);',
    re.MULTILINE,
)


class Revision(Struct, frozen=True):
    """A step of the schema."""

    id: str
    name: str
    """The stem of its file."""

    after: str
    """The revision that it stands on."""


class ShopIndex(Struct, frozen=True):
    """An index of ours on a table of the shop."""

    name: str
    """As SQL spells it, quoted where it must be."""

    rest: str
    """The statement from ON, without the semicolon."""

    @property
    def plain_name(self) -> str:
        """Return the name as the catalogues spell it."""
        return self.name.strip('"')


def list_revisions() -> list[Revision]:
    """Return all revisions, the first one first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [
        Revision(
            id=script.revision,
            name=Path(script.path).stem,
            after=str(script.down_revision or "base"),
        )
        for script in reversed(list(scripts))
    ]


def sql_of(revision: Revision) -> str:
    """Return the SQL that applies the revision and writes down that it was."""
    text = StringIO()
    config = _config(text)
    config.attributes["lock_timeout"] = LOCK_TIMEOUT
    command.upgrade(config, f"{revision.after}:{revision.id}", sql=True)
    return text.getvalue()


def sql_that_stamps(revision: Revision) -> str:
    """Return the SQL that writes down that the revision stands, and does nothing else."""
    text = StringIO()
    command.stamp(_config(text), revision.id, sql=True)
    return text.getvalue()


def list_shop_indexes(revision: Revision) -> list[ShopIndex]:
    """Return the indexes that the revision builds on tables of the shop."""
    return [
        ShopIndex(name=match["name"], rest=match["rest"])
        for match in _INDEX.finditer(sql_of(revision))
    ]


def _config(output: StringIO | None = None) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", _SCRIPTS)
    return config
