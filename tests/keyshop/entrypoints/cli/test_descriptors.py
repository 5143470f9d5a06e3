"""The limit of open files that a process inherits, and raises when it starts."""

import json
import subprocess
import sys

import pytest

_START = """
import json, resource, sys
from keyshop.entrypoints.cli.descriptors import raise_descriptor_limit

soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
held = raise_descriptor_limit(wanted)
print(json.dumps([held, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
open_at_once = [open("/dev/null") for _ in range(held - 10)]
"""


def start_with(soft: int, hard: int, *, wanted: int) -> list[int]:
    """Raise the limit in a process of its own; return what holds, and its soft and hard limit."""
    done = subprocess.run(
        [sys.executable, "-c", _START, f"{soft}", f"{hard}", f"{wanted}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    held: list[int] = json.loads(done.stdout)
    return held


class TestSoftLimit:
    @pytest.mark.parametrize(
        ("soft", "hard", "wanted", "held"),
        [(64, 900, 500, 500), (64, 300, 500, 300), (64, 500, 500, 500), (300, 300, 500, 300)],
    )
    def test_is_raised_as_far_as_it_may(self, soft, hard, wanted, held):
        assert start_with(soft, hard, wanted=wanted) == [held, held, hard]

    def test_is_not_lowered(self):
        assert start_with(700, 900, wanted=500)[1:] == [700, 900]
