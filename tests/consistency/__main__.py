"""
`python -m tests.consistency`: exit status 0 without a violation, 1 with one.

Exit status 2 means that the checker failed: one of its parts did not start, or ended by itself.
"""

import sys
import traceback

from keyshop.kit.logs import configure_logging
from tests.consistency.options import read_options
from tests.consistency.run import check


def main() -> None:
    """Read the command line and run."""
    configure_logging("console", "warning")
    words = sys.argv[1:]
    options = read_options(words)
    try:
        is_consistent = check(options, words=words)
    except Exception:  # noqa: BLE001 - an error of the checker is no verdict
        traceback.print_exc()
        sys.exit(2)
    sys.exit(0 if is_consistent else 1)


if __name__ == "__main__":
    main()
