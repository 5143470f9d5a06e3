"""A process that uses an embedded server until its standard input ends, or until it is killed."""

import sys
from pathlib import Path

from keyshop.embedded.postgres import PostgresServer
from keyshop.embedded.valkey import ValkeyServer

SERVERS = {"postgres": PostgresServer, "valkey": ValkeyServer}


def main() -> None:
    name, home = sys.argv[1:]
    with SERVERS[name](Path(home)):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
