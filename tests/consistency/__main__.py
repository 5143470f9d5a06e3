"""`python -m tests.consistency`: ends with 0 when nothing was found, and with 1 when something was."""

import sys

from keyshop.kit.logs import configure_logging
from tests.consistency.options import read_options
from tests.consistency.run import check


def main() -> None:
    """Read the command line and run."""
    configure_logging("console", "warning")
    words = sys.argv[1:]
    sys.exit(0 if check(read_options(words), words=words) else 1)


if __name__ == "__main__":
    main()
