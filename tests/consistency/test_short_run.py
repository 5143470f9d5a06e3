"""The shop keeps its promise while everything around it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]


def run_checker(*words: str) -> str:
    """Run the checker and return its report; it fails when something was found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.consistency", *words],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestShop:
    def test_never_shows_an_old_value_while_everything_fails(self):
        report = run_checker("--seconds", "20", "--fault-every", "1")

        assert "# Consistent: 0 violations" in report

    @pytest.mark.slow
    @pytest.mark.parametrize("server", ["valkey", "redis"])
    def test_never_shows_an_old_value_for_minutes(self, server):
        report = run_checker("--seconds", "180", "--fault-every", "1.5", "--server", server)

        assert "# Consistent: 0 violations" in report

    @pytest.mark.slow
    def test_keeps_its_promise_when_some_processes_work_without_a_cache(self):
        report = run_checker(
            "--seconds", "120", "--fault-every", "1.5", "--api-processes", "3", "--uncached", "1"
        )

        assert "# Consistent: 0 violations" in report
