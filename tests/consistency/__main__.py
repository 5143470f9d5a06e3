"""
`python -m tests.consistency`: ends with 0 when nothing was found, and with 1 when something was.

With 2 when nothing can be said: a part of the checker's own world did not start, or ended by itself.
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
    except Exception:  # noqa: BLE001 - whatever it is, it is no verdict
        traceback.print_exc()
        sys.exit(2)
    sys.exit(0 if is_consistent else 1)


if __name__ == "__main__":
    main()
