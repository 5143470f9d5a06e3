"""How many jobs a worker runs at a time, and how long it may be silent before it loses them."""

from datetime import timedelta
from typing import Final

# A worker that does not renew its leases for this long loses its jobs. It renews them twice as
# often, and every worker looks for lost jobs at each poll: a killed worker's job waits for seven
# seconds.
LEASE: Final = timedelta(seconds=5)
POLL_INTERVAL: Final = timedelta(seconds=2)

MAX_PARALLEL: Final = 8

# Jobs that may wait for minutes, on a mail server that scans mails for instance. A full sync must
# not wait behind them.
MAX_PARALLEL_SLOW: Final = 4

# Jobs that one statement claims. PgQueuer refuses more than half of MAX_PARALLEL.
BATCH_SIZE: Final = 4
