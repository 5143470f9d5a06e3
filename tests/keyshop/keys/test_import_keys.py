"""Importing own keys from a file."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from io import BytesIO

import pytest

from keyshop.keys.import_keys import LineReport, import_keys
from keyshop.keys.models import AddOutcome
from keyshop.keys.read_csv import NoGameNamed, read_csv
from tests.factories.games import NOON, make_game


class Import:
    """Imports of one file, with the report of each line."""

    def __init__(self, db, vault) -> None:
        self._db = db
        self._vault = vault
        self.report: list[LineReport] = []

    async def run(self, content: bytes, *, game=None) -> Counter[AddOutcome]:
        self.report.clear()
        return await import_keys(
            self._db,
            self._vault,
            read_csv(BytesIO(content), game=game),
            by="olga",
            now=NOON,
            report=self.report.append,
        )

    @property
    def outcomes(self) -> dict[int, str]:
        return {line.number: line.outcome.value for line in self.report}


@pytest.fixture
def importer(db, vault) -> Import:
    return Import(db, vault)


async def fetch(db, sql, *args):
    async with db.read() as reader:
        return [tuple(record) for record in await reader.fetch(sql, *args)]


class TestImportKeys:
    async def test_reports_each_line(self, db, importer):
        game = await make_game(db, g2aStock=False, inStock=False)
        lines = [
            "game,key",
            f"{game},AAAAA-1",
            f"{game},AAAAA-1 ",
            "no-such-game,AAAAA-2",
            f"{game},{'x' * 2001}",
            "",
            f"{game},",
            f"{game},AAAAA-3,more",
            f'{game},"AAAAA-4',
            "a-game,AAAAA-5",
            f'{game},"AAAAA,6"',
            f"{game},sealed:AAAAA",
        ]

        totals = await importer.run("\n".join(lines).encode())

        assert importer.outcomes == {
            2: "added",
            3: "duplicate",
            4: "unknown game",
            5: "too long",
            7: "unusable",
            8: "unusable",
            9: "unusable",
            10: "added",
            11: "added",
            12: "unusable",
        }
        assert totals[AddOutcome.ADDED] == 3

    async def test_adds_nothing_the_second_time(self, db, importer):
        game = await make_game(db)
        content = b"AAAAA-1\nAAAAA-2\nAAAAA-3\n"

        first = await importer.run(content, game=game)
        second = await importer.run(content, game=game)

        assert (first, second) == ({AddOutcome.ADDED: 3}, {AddOutcome.DUPLICATE: 3})
        assert await fetch(db, "SELECT count(*)::int FROM game_keys") == [(3,)]

    async def test_brings_the_games_into_stock_and_records_who_did_it(self, db, importer):
        game = await make_game(db, g2aStock=False, inStock=False)
        other = await make_game(db, title="Other", g2aStock=False, inStock=False)

        await importer.run(f"{game},AAAAA-1\nnone,AAAAA-2".encode())

        assert await fetch(db, 'SELECT id FROM games WHERE "inStock"') == [(game,)]
        assert other != game
        assert await fetch(
            db, "SELECT actor, action, (details->>'added')::int FROM keyshop.journal"
        ) == [("olga", "keys.import", 1)]

    async def test_reads_what_spreadsheets_write(self, db, importer):
        game = await make_game(db)

        await importer.run(b'\xef\xbb\xbfKey\r\nAAAAA-1\r\n\r\n"AAAAA-2"\r\nAAAAA-3', game=game)

        assert importer.outcomes == {2: "added", 4: "added", 5: "added"}

    async def test_never_lets_one_bad_line_hide_the_next(self, db, importer):
        game = await make_game(db)
        bad = [b"AAAA\xff", b"AAAA\0", b'"AAAA', b'"AAAA"A', b"A,B"]

        for number, line in enumerate(bad):
            await importer.run(line + b"\nAAAAA-%d\n" % number, game=game)

            assert importer.outcomes == {1: "unusable", 2: "added"}, line

    async def test_passes_over_the_rest_of_an_endless_line(self, db, importer):
        game = await make_game(db)

        await importer.run(b"x" * 1_000_000 + b"\nAAAAA-1", game=game)

        assert importer.outcomes == {1: "too long", 2: "added"}

    async def test_refuses_a_file_that_names_no_game(self, db, importer):
        with pytest.raises(NoGameNamed, match="--game"):
            await importer.run(b"AAAAA-1\n")

    async def test_continues_an_import_that_was_interrupted(self, db, vault, importer):
        game = await make_game(db)
        content = "\n".join(f"AAAAA-{number}" for number in range(1200)).encode()

        class Interrupted(Exception):
            pass

        def interrupt(line: LineReport) -> None:
            if line.number == 600:
                raise Interrupted

        with pytest.raises(Interrupted):
            await import_keys(
                db,
                vault,
                read_csv(BytesIO(content), game=game),
                by="olga",
                now=NOON,
                report=interrupt,
            )
        totals = await importer.run(content, game=game)

        assert totals == {AddOutcome.DUPLICATE: 1000, AddOutcome.ADDED: 200}

    async def test_needs_no_more_memory_for_a_longer_file(self, db, vault):
        game = await make_game(db)

        async def measure(lines: int) -> int:
            tracemalloc.start()
            await import_keys(
                db,
                vault,
                read_csv(_Generated(lines), game=game),  # type: ignore[arg-type]
                by="olga",
                now=NOON,
                report=lambda line: None,
            )
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

        await measure(1000)
        short, long = await measure(1000), await measure(4000)

        assert long < short * 1.5

    @pytest.mark.slow
    async def test_takes_a_hundred_thousand_lines(self, db, vault):
        game = await make_game(db)

        tracemalloc.start()
        totals = await import_keys(
            db,
            vault,
            read_csv(_Generated(100_000), game=game),  # type: ignore[arg-type]
            by="olga",
            now=NOON,
            report=lambda line: None,
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert totals == {AddOutcome.ADDED: 100_000}
        assert peak < 20_000_000


class _Generated:
    """A file whose lines exist only while they are read."""

    def __init__(self, lines: int) -> None:
        self._lines: Iterator[bytes] = (f"AAAAA-{n:06}\n".encode() for n in range(lines))

    def readline(self, size: int) -> bytes:
        return next(self._lines, b"")
