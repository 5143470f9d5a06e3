"""The checker as a person starts it."""

import subprocess
import sys
from pathlib import Path

_NO_VERDICT = 2
_REPOSITORY = Path(__file__).parents[2]


def run_checker(*words: str) -> tuple[int, str]:
    """
    Run the checker, and return its exit status and all that it said.

    Once more where it came to no verdict: a port that was free may be another test's by then.
    """
    status, said = _run(*words)
    if status == _NO_VERDICT:
        sys.stderr.write(said)
        status, said = _run(*words)
    return status, said


def _run(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.consistency", *words],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
