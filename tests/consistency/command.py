"""Runs the checker from its command line."""

import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]


def run_checker(*words: str) -> tuple[int, str]:
    """Run the checker, and return its exit status and its whole output."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.consistency", *words],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
