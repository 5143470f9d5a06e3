"""How many jobs a worker runs at a time, and how long it may be silent before it loses them."""

from datetime import timedelta
from typing import Final

from msgspec import Struct


class WorkerLimits(Struct, frozen=True, kw_only=True):
    """The worker's times and numbers; only tests change them."""

    lease: timedelta = timedelta(seconds=5)
    """
    A worker that does not renew its leases for this long loses its jobs. It renews them twice as
    often, and every worker looks for lost jobs at each poll: a killed worker's job waits for no
    longer than `lease` and `poll_interval` together.
    """

    poll_interval: timedelta = timedelta(seconds=2)
    max_parallel: int = 8

    max_parallel_slow: int = 4
    """
    Of jobs that may wait for minutes, on a mail server that scans mails for instance. A full sync
    must not wait behind them.
    """

    batch_size: int = 4
    """Jobs that one statement claims. PgQueuer refuses more than half of `max_parallel`."""

    grace_period: timedelta = timedelta(seconds=20)
    """For running jobs when the worker stops; unfinished ones go back into the queue."""


DEFAULT_LIMITS: Final = WorkerLimits()
