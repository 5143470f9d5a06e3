import asyncpg
import pytest

from tests.keyshop.migrations import catalogue

DESCRIBED = catalogue.described_public()


class TestPublic:
    @pytest.mark.parametrize("heading", DESCRIBED)
    async def test_is_what_prisma_makes(self, connection: asyncpg.Connection, heading: str) -> None:
        found = (await catalogue.read_public(connection)).get(heading, [])
        prismas = [line for line in found if not catalogue.is_ours(line)]
        assert by_kind(prismas) == by_kind(DESCRIBED[heading])

    async def test_holds_nothing_that_is_not_described(
        self, connection: asyncpg.Connection
    ) -> None:
        assert set(await catalogue.read_public(connection)) == set(DESCRIBED)


class TestOurs:
    async def test_is_exactly_what_the_file_lists(self, connection: asyncpg.Connection) -> None:
        found = await catalogue.read_ours(connection)
        for heading, lines in (await catalogue.read_public(connection)).items():
            table = heading.partition(" ")[2]
            found += [f"{table}: {line}" for line in lines if catalogue.is_ours(line)]
        assert sorted(found) == sorted(catalogue.described_additions())

    async def test_never_has_the_name_of_a_table_of_the_shop(
        self, connection: asyncpg.Connection
    ) -> None:
        # For a role named keyshop, schema keyshop comes first in the search path.
        both = await connection.fetch("""
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            INTERSECT
            SELECT relname FROM pg_class WHERE relnamespace = 'keyshop'::regnamespace
        """)
        assert both == []


class TestIsOurs:
    @pytest.mark.parametrize(
        "line",
        [
            'index "keyshop_a_b_idx" btree (a)',
            "unique index keyshop_a_idx btree (a)",
            "trigger keyshop_games_changed",
        ],
    )
    def test_knows_our_names(self, line: str) -> None:
        assert catalogue.is_ours(line)

    @pytest.mark.parametrize(
        "line", ["index games_slug_idx btree (slug)", "keyshop_x text", "trigger other"]
    )
    def test_leaves_what_is_not_an_addition(self, line: str) -> None:
        assert not catalogue.is_ours(line)


def by_kind(lines: list[str]) -> list[str]:
    """Return columns in their order, which other writers see, and the rest sorted."""
    kinds = ("index", "unique index", "constraint", "trigger")
    columns = [line for line in lines if not line.startswith(kinds)]
    return columns + sorted(line for line in lines if line.startswith(kinds))
