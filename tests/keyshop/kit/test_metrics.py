"""Counters that several processes share, without lost counts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from keyshop.kit.metrics import delete_ended_metrics
from keyshop.kit.multiprocess_metrics import SharedFolderCollector

_COUNT = """
import sys
from pathlib import Path
from keyshop.kit.metrics import share_metrics
share_metrics(Path(sys.argv[1]))
from prometheus_client import Counter
counter = Counter("sold", "Keys sold.", ["game"])
for _ in range(int(sys.argv[2])):
    counter.labels("chess").inc()
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    with process:
        out, err = process.communicate(timeout=60)
    return out, err


def sold(folder: Path) -> float | None:
    registry = CollectorRegistry()
    registry.register(SharedFolderCollector(folder))
    return registry.get_sample_value("sold_total", {"game": "chess"})


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:40],
    "a few bytes": lambda data: data[:3],
    "text": lambda _: b"not metrics at all, but a long enough line of text",
    "too long": lambda data: b"\xff\xff\xff\x7f" + data[4:],
    "negative": lambda data: b"\xff\xff\xff\xff" + data[4:],
    "endless": lambda data: data[:8] + (-28).to_bytes(4, "little", signed=True) + data[12:],
    "no JSON": lambda data: data.replace(b'["sold"', b'{"sold"'),
    "a label that is no text": lambda data: data.replace(b'"chess"', b"1234567"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of metrics as a process leaves it."""
    folder = tmp_path_factory.mktemp("sound")
    outcome_of(start(_COUNT, folder, 3))
    [file] = folder.glob("counter_*.db")
    return file.read_bytes()


class TestSharedMetrics:
    def test_are_the_sum_of_all_processes_also_of_those_that_ended(self, tmp_path: Path):
        folder = tmp_path / "metrics"
        counting = [start(_COUNT, folder, 1000 + number) for number in range(4)]
        assert all(outcome_of(process) == ("", "") for process in counting)

        assert sold(folder) == 4006

    def test_are_shown_while_another_process_begins_to_count(self, tmp_path: Path):
        outcome_of(start(_COUNT, tmp_path, 3))
        (tmp_path / "counter_1.db").touch()  # what stands there until it has room

        assert sold(tmp_path) == 3

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_are_shown_without_a_damaged_file_which_is_named(self, tmp_path: Path, damage: str):
        outcome_of(start(_COUNT, tmp_path, 3))
        [sound] = tmp_path.glob("counter_*.db")
        (tmp_path / "counter_1.db").write_bytes(DAMAGES[damage](sound.read_bytes()))

        with capture_logs() as lines:
            assert sold(tmp_path) == 3

        assert [(line["event"], line["file"]) for line in lines] == [
            ("metrics.file_skipped", "counter_1.db")
        ]

    @given(
        changes=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=4),
        length=st.integers(0, 200) | st.none(),
    )
    def test_are_shown_whatever_another_file_contains(
        self, sound: bytes, changes: list[tuple[int, int]], length: int | None
    ):
        data = bytearray(sound)
        for position, byte in changes:
            data[position] = byte
        with TemporaryDirectory() as folder, capture_logs():
            (Path(folder) / "counter_1.db").write_bytes(data[:length])
            (Path(folder) / "counter_2.db").write_bytes(sound)
            registry = CollectorRegistry()
            registry.register(SharedFolderCollector(Path(folder)))

            assert b"sold_total" in generate_latest(registry)

    def test_of_ended_processes_are_deleted_when_a_shop_starts(self, tmp_path: Path):
        outcome_of(start(_COUNT, tmp_path, 1))
        living = start(f"{_COUNT}\nprint(flush=True)\nsys.stdin.read()", tmp_path, 7)
        assert living.stdout is not None
        living.stdout.readline()

        delete_ended_metrics(tmp_path)

        assert sold(tmp_path) == 7
        outcome_of(living)

    def test_are_private_to_their_owner(self, tmp_path: Path):
        outcome_of(start(_COUNT, tmp_path / "metrics", 1))

        assert (tmp_path / "metrics").stat().st_mode & 0o777 == 0o700

    def test_cannot_be_shared_by_a_process_that_counts_already(self, tmp_path: Path):
        _, output = outcome_of(start("import prometheus_client\n" + _COUNT, tmp_path, 1))

        assert "was imported before its folder was chosen" in output
