"""
The supplier's rate limit, shared by every process through one row in PostgreSQL.

The generic cell rate algorithm (GCRA): the row holds the moment at which the budget would be unused
again. Each grant moves that moment on by one interval, and a call may be ahead of it by a burst. Any
window has at most `burst + window / interval` grants, and the interval is chosen so that this is
the limit. The clock is PostgreSQL's, so the clocks of the machines do not matter.
"""

import asyncio
import time
from typing import Final

import asyncpg
from msgspec import Struct

from keyshop.gateways.g2a.metrics import BUDGET_WAIT_SECONDS
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Unavailable
from keyshop.supplier.errors import SupplierUnavailable

_NAME: Final = "g2a"

_BURST_DIVISOR: Final = 20  # one call in 20 may be made without waiting: 30 of 600
# Two calls that were granted a minute apart arrive closer together when the network delays the first.
# The budget therefore counts with a window that is this much longer.
_JITTER_SECONDS: Final = 2.0

_DEFAULT_PAUSE_SECONDS: Final = 10.0  # after a 429 without Retry-After
_MAX_PAUSE_SECONDS: Final = 300.0

# A reservation further ahead than any pause means that the clock was set back. It is ignored;
# otherwise no call could be made until the clock catches up.
_RESERVE: Final = """
    INSERT INTO keyshop.supplier_budget AS b (supplier, arrives_at, pauses)
    VALUES ($1, clock_timestamp() + make_interval(secs => $2), 0)
    ON CONFLICT (supplier) DO UPDATE SET arrives_at =
        CASE WHEN b.arrives_at > clock_timestamp() + interval '15 minutes' THEN clock_timestamp()
             ELSE greatest(b.arrives_at, clock_timestamp()) END + make_interval(secs => $2)
    WHERE b.arrives_at <= clock_timestamp() + make_interval(secs => $3::float8 + $4)
       OR b.arrives_at > clock_timestamp() + interval '15 minutes'
    RETURNING pauses, extract(epoch FROM
        b.arrives_at - make_interval(secs => $2 + $3) - clock_timestamp())::float8 AS wait
"""

_PAUSE: Final = """
    INSERT INTO keyshop.supplier_budget AS b (supplier, arrives_at, pauses)
    VALUES ($1, clock_timestamp() + make_interval(secs => $2::float8 + $3), 1)
    ON CONFLICT (supplier) DO UPDATE SET
        arrives_at = greatest(b.arrives_at, excluded.arrives_at), pauses = b.pauses + 1
"""

_READ_STATUS: Final = """
    SELECT pauses, greatest(0, extract(epoch FROM
        arrives_at - make_interval(secs => $2) - clock_timestamp()))::float8 AS wait
    FROM keyshop.supplier_budget WHERE supplier = $1
"""


class BudgetExhausted(SupplierUnavailable):
    """The call would have to wait longer than the longest allowed wait."""


class BudgetStatus(Struct, frozen=True, kw_only=True):
    """The state of the budget; a call would wait `wait_seconds` now."""

    limit: int
    window_seconds: float
    wait_seconds: float
    pauses: int


class Budget:
    """At most `limit` calls in any `window_seconds`, over all processes on one database."""

    def __init__(
        self,
        db: Database,
        *,
        limit: int = 600,
        window_seconds: float = 60,
        jitter_seconds: float = _JITTER_SECONDS,
        max_wait_seconds: float = 60,
    ) -> None:
        """
        Limit calls; `db` should be a pool of one connection that only the budget uses.

        On a shared pool, calls to the supplier and the shop's own work would wait for each
        other's connections.
        """
        burst = max(1, limit // _BURST_DIVISOR)
        self._db = db
        self._limit = limit
        self._window_seconds = window_seconds
        self._max_wait_seconds = max_wait_seconds
        self._interval = (window_seconds + jitter_seconds) / max(1, limit - burst)
        self._burst_seconds = (burst - 1) * self._interval

    async def acquire(self) -> None:
        """
        Wait until one call may be made.

        Raises:
            BudgetExhausted: the call would have to wait longer than the longest wait.
            SupplierUnavailable: the budget cannot be read.
        """
        started = time.monotonic()
        while True:
            left = self._max_wait_seconds - (time.monotonic() - started)
            wait, pauses = await self._reserve(left)
            if wait <= 0:
                break
            await asyncio.sleep(wait)
            # A pause that began meanwhile applies to all calls that were waiting.
            if (await self.read_status()).pauses == pauses:
                break
        BUDGET_WAIT_SECONDS.observe(time.monotonic() - started)

    async def pause(self, seconds: float | None = None) -> None:
        """
        Allow no calls for `seconds`, at most five minutes; ten seconds by default.

        Raises:
            SupplierUnavailable: the budget cannot be read.
        """
        seconds = _DEFAULT_PAUSE_SECONDS if seconds is None else seconds
        seconds = min(max(seconds, 0.0), _MAX_PAUSE_SECONDS)
        await self._run(_PAUSE, _NAME, seconds, self._burst_seconds)

    async def read_status(self) -> BudgetStatus:
        """
        Return the state of the budget without reserving a call.

        Raises:
            SupplierUnavailable: the budget cannot be read.
        """
        record = await self._run(_READ_STATUS, _NAME, self._burst_seconds)
        return BudgetStatus(
            limit=self._limit,
            window_seconds=self._window_seconds,
            wait_seconds=record["wait"] if record else 0.0,
            pauses=record["pauses"] if record else 0,
        )

    async def _reserve(self, max_wait: float) -> tuple[float, int]:
        max_wait = max(max_wait, 0.0)
        granted = await self._run(_RESERVE, _NAME, self._interval, self._burst_seconds, max_wait)
        if granted is None:
            raise BudgetExhausted(
                f"G2A allows {self._limit} calls in {self._window_seconds:g} s, and the next call"
                f" can be made in more than {max_wait:.0f} s. Try again later."
            )
        return granted["wait"], granted["pauses"]

    async def _run(self, sql: str, *args: object) -> asyncpg.Record | None:
        try:
            # Outside a transaction each statement commits by itself: the row is locked only while
            # the statement runs, and no process waits for the network of another.
            async with self._db.read() as connection:
                return await connection.fetchrow(sql, *args)
        except (Unavailable, asyncpg.PostgresError) as error:
            raise SupplierUnavailable(
                "The budget of supplier calls cannot be read: the database cannot be reached, or"
                " its schema is older than this version of the shop."
            ) from error
