"""The disk knows of every number that a process was allowed to go on with."""

import asyncio
import subprocess
import sys
from pathlib import Path

from keyshop.kit.high_water_mark import HighWaterMark, Mark, read_marks

_RAISES = """
import asyncio, sys
from pathlib import Path
from keyshop.kit.high_water_mark import HighWaterMark

async def main():
    mark = HighWaterMark.open(Path(sys.argv[1]), machine="m", identity="db")
    seq = 0
    while True:
        seq += 1
        await asyncio.gather(*(mark.raise_to(seq * 10 + step) for step in range(10)))
        print(seq * 10 + 9, flush=True)

asyncio.run(main())
"""


def opened(folder: Path) -> HighWaterMark:
    return HighWaterMark.open(folder, machine="machine", identity="database")


class TestHighWaterMark:
    async def test_is_on_the_disk_when_it_has_risen(self, tmp_path: Path):
        mark = opened(tmp_path / "marks")
        assert read_marks(tmp_path / "marks") == []

        assert await mark.raise_to(7)

        assert read_marks(tmp_path / "marks") == [Mark(identity="database", seq=7)]

    async def test_never_falls(self, tmp_path: Path):
        mark = opened(tmp_path)
        await mark.raise_to(7)

        assert await mark.raise_to(3)

        assert [found.seq for found in read_marks(tmp_path)] == [7]

    async def test_rises_to_the_highest_of_many_at_once(self, tmp_path: Path):
        mark = opened(tmp_path)

        assert all(await asyncio.gather(*(mark.raise_to(seq) for seq in range(200))))

        assert [found.seq for found in read_marks(tmp_path)] == [199]

    async def test_of_each_process_is_a_file_of_its_own(self, tmp_path: Path):
        await opened(tmp_path).raise_to(1)
        await opened(tmp_path).raise_to(2)

        assert sorted(found.seq for found in read_marks(tmp_path)) == [1, 2]

    async def test_is_readable_only_by_its_owner(self, tmp_path: Path):
        await opened(tmp_path / "marks").raise_to(1)

        (file,) = (tmp_path / "marks").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700

    async def test_tells_that_it_cannot_be_written_and_rises_later(self, tmp_path: Path):
        folder = tmp_path / "marks"
        mark = opened(folder)
        folder.rmdir()

        assert not await mark.raise_to(5)

        folder.mkdir()
        assert await mark.raise_to(5)
        assert [found.seq for found in read_marks(folder)] == [5]

    async def test_goes_on_rising_after_a_caller_was_cancelled(self, tmp_path: Path):
        mark = opened(tmp_path)
        cancelled = asyncio.create_task(mark.raise_to(9))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)

        assert await mark.raise_to(10)

        assert [found.seq for found in read_marks(tmp_path)] == [10]

    def test_is_never_behind_what_a_killed_process_reported(self, tmp_path: Path):
        for attempt in range(5):
            folder = tmp_path / str(attempt)
            with subprocess.Popen(
                [sys.executable, "-c", _RAISES, str(folder)], stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                lines = [process.stdout.readline() for _ in range(3 + attempt)]
                process.kill()
                lines += process.stdout.readlines()
            reported = int([line for line in lines if line.endswith("\n")][-1])

            (found,) = read_marks(folder)
            assert found.seq >= reported > 0
