"""Migrations that Prisma's command line made (tests/prisma/recorded) run on a database of keyshop."""

import re

import pytest

from keyshop.schema.describe import read_prisma_schema
from tests.factories.prisma_changes import CHANGES, RECORDED, make_migration
from tests.keyshop.schema.prisma_database import DATA
from tests.servers import connected

# New required columns without a default cannot be added to tables with rows, in any shop.
_WITH_ROWS = ["enums", "retyped", "indexes_dropped", "keys"]


def _recorded(name: str) -> str:
    return (RECORDED / f"{name}.sql").read_text(encoding="utf-8")


def _drop_own_keys() -> str:
    """Return what a person adds before Prisma's change of primary keys: its foreign keys need them."""
    return "".join(
        f'ALTER TABLE "{table.name}" DROP CONSTRAINT "{each.name}";'
        for table in read_prisma_schema().tables
        for each in table.constraints
        if each.kind == "foreign key"
    )


class TestMigration:
    @pytest.mark.parametrize("name", _WITH_ROWS)
    async def test_runs_beside_keyshop(self, database_url: str, name: str) -> None:
        async with connected(database_url) as prisma:
            await prisma.execute(DATA)
            if name == "keys":
                await prisma.execute(_drop_own_keys())
            await prisma.execute(_recorded(name))

            # Prisma writes as before.
            await prisma.execute("""
                UPDATE games SET title = 'Other' WHERE id = 'g1';
                DELETE FROM games WHERE id = 'g3';
                UPDATE users SET nickname = 'Al', balance = balance + 1;
                DELETE FROM users WHERE id = 'bob';
            """)

    async def test_that_replaces_every_column_runs_and_writes_go_on(
        self, database_url: str
    ) -> None:
        async with connected(database_url) as prisma:
            await prisma.execute(_recorded("renamed"))
            await prisma.execute("""
                INSERT INTO genres (id, name_new, slug_new) VALUES ('a', 'Action', 'action');
                UPDATE genres SET name_new = 'Adventure';
                INSERT INTO users (id, email_new, "passwordHash_new", "updatedAt_new")
                    VALUES ('u', 'a@example.com', 'x', now());
                INSERT INTO games (id, title_new, slug_new, description_new, price_new, image_new,
                    "releaseDate_new", "updatedAt_new")
                    VALUES ('g', 'Title', 'title', 'Words', 1, '', now(), now());
                UPDATE users SET balance_new = 5;
                DELETE FROM games; DELETE FROM users; DELETE FROM genres;
            """)

    async def test_that_adds_indexes_runs(self, database_url: str) -> None:
        async with connected(database_url) as prisma:
            await prisma.execute(DATA)
            await prisma.execute(_recorded("indexes_dropped") + _recorded("indexes_added"))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", CHANGES)
    async def test_is_what_the_command_line_makes(self, database_url: str, name: str) -> None:
        assert await make_migration(database_url, name) == _recorded(name)

    def test_recreates_every_enum_and_retypes_every_table(self) -> None:
        schema = read_prisma_schema()
        for enum in schema.enums:
            assert f'DROP TYPE "{enum.name}_old"' in _recorded("enums")
        for name in ("retyped", "renamed", "keys"):
            altered = set(re.findall(r'ALTER TABLE "(\w+)"', _recorded(name)))
            assert altered == {table.name for table in schema.tables}
