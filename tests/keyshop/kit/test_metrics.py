"""Counters that several processes share, without lost counts."""

import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

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
