"""The schema's revisions, which Alembic keeps in order, and their SQL."""

import re
from io import StringIO
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from msgspec import Struct

from keyshop.schema.retry_on_lock_timeout import LOCK_TIMEOUT

_SCRIPTS: Final = "keyshop:migrations"

UNRELEASED_IDS: Final = frozenset(f"{number:04}" for number in range(1, 11))
"""Ids of the revisions that were rewritten before the first release."""

# The spelling of an index on a table of the shop. A test finds an index that is spelt differently.
_INDEX: Final = re.compile(
    r'^CREATE INDEX IF NOT EXISTS (?P<name>"keyshop_\w+"|keyshop_\w+)\s+(?P<rest>ON public\.[^;]+);',
    re.MULTILINE,
)


class Revision(Struct, frozen=True):
    id: str
    name: str
    """The name of its file, without the suffix."""

    after: str
    """The id of the revision before it, or `base`."""


class ShopIndex(Struct, frozen=True):
    """An index that keyshop adds to a table in schema public."""

    name: str
    """The name in SQL, quoted where necessary."""

    rest: str
    """The statement from ON to its end, without the semicolon."""

    @property
    def plain_name(self) -> str:
        """Return the name without quotes, as in the catalogues."""
        return self.name.strip('"')


def list_revisions() -> list[Revision]:
    """Return all revisions, in the order in which they are applied."""
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
    """Return the SQL that applies the revision and stamps it."""
    text = StringIO()
    config = _config(text)
    config.attributes["lock_timeout"] = LOCK_TIMEOUT
    command.upgrade(config, f"{revision.after}:{revision.id}", sql=True)
    return text.getvalue()


def sql_that_stamps(revision: Revision) -> str:
    """Return the SQL that stamps the revision without applying it."""
    text = StringIO()
    command.stamp(_config(text), revision.id, sql=True)
    return text.getvalue()


def list_shop_indexes(revision: Revision) -> list[ShopIndex]:
    """Return the indexes that the revision adds to tables in schema public."""
    return [
        ShopIndex(name=match["name"], rest=match["rest"])
        for match in _INDEX.finditer(sql_of(revision))
    ]


def _config(output: StringIO | None = None) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", _SCRIPTS)
    return config
