"""
The supplier's rate limit, shared by every process through one row in PostgreSQL.

The generic cell rate algorithm: the row holds the moment at which the budget would be unused
again, each grant moves it on by one interval, and a call may run ahead of it by a burst. At most
`burst + window / interval` grants fall into any window, and the interval is chosen so that this
is the limit. The clock is PostgreSQL's, so the machines need not agree on the time.
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

_BURST_SHARE: Final = 20  # one call in 20 may come without waiting its turn: 30 of 600
# Two calls that were granted a minute apart arrive closer together when the first is slow on its
# way. A window is counted as if it were this much longer.
_JITTER_SECONDS: Final = 2.0

_UNTOLD_PAUSE_SECONDS: Final = 10.0  # after a 429 that does not say how long to wait
_MAX_PAUSE_SECONDS: Final = 300.0

# A reservation further ahead than any pause can only come from a clock that was set back; obeyed,
# it would stop the shop until the clock catches up.
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

_LOOK: Final = """
    SELECT pauses, greatest(0, extract(epoch FROM
        arrives_at - make_interval(secs => $2) - clock_timestamp()))::float8 AS wait
    FROM keyshop.supplier_budget WHERE supplier = $1
"""


class BudgetSpent(SupplierUnavailable):
    """The call would have to wait longer for its turn than the caller will."""


class BudgetView(Struct, frozen=True, kw_only=True):
    """The state of the budget; `wait_seconds` is how long a call would wait now."""

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
        Work out the pace; `db` should be a pool of the budget's own, of one connection.

        On a shared pool a call to the supplier would wait for a connection behind the shop's
        own work, or the other way round.
        """
        burst = max(1, limit // _BURST_SHARE)
        self._db = db
        self._limit = limit
        self._window_seconds = window_seconds
        self._max_wait_seconds = max_wait_seconds
        self._interval = (window_seconds + jitter_seconds) / max(1, limit - burst)
        self._ahead = (burst - 1) * self._interval

    async def take(self) -> None:
        """
        Wait until one call may be made.

        Raises:
            BudgetSpent: its turn would come later than the longest wait.
            SupplierUnavailable: the budget cannot be asked.
        """
        started = time.monotonic()
        while True:
            left = self._max_wait_seconds - (time.monotonic() - started)
            wait, pauses = await self._reserve(left)
            if wait <= 0:
                break
            await asyncio.sleep(wait)
            # Whoever was told to slow down meanwhile spoke for all who were waiting.
            if (await self.look()).pauses == pauses:
                break
        BUDGET_WAIT_SECONDS.observe(time.monotonic() - started)

    async def pause(self, seconds: float | None = None) -> None:
        """
        Let nobody call for so long, five minutes at most; without a figure, ten seconds.

        Raises:
            SupplierUnavailable: the budget cannot be asked.
        """
        length = _UNTOLD_PAUSE_SECONDS if seconds is None else seconds
        length = min(max(length, 0.0), _MAX_PAUSE_SECONDS)
        await self._run(_PAUSE, _NAME, length, self._ahead)

    async def look(self) -> BudgetView:
        """
        Return how things stand, without taking anything.

        Raises:
            SupplierUnavailable: the budget cannot be asked.
        """
        found = await self._run(_LOOK, _NAME, self._ahead)
        return BudgetView(
            limit=self._limit,
            window_seconds=self._window_seconds,
            wait_seconds=found["wait"] if found else 0.0,
            pauses=found["pauses"] if found else 0,
        )

    async def _reserve(self, longest: float) -> tuple[float, int]:
        granted = await self._run(_RESERVE, _NAME, self._interval, self._ahead, max(longest, 0.0))
        if granted is None:
            raise BudgetSpent(
                f"G2A allows {self._limit} calls in {self._window_seconds:g} s, and the next turn"
                f" is more than {max(longest, 0.0):.0f} s away. Try again later."
            )
        return granted["wait"], granted["pauses"]

    async def _run(self, sql: str, *args: object) -> asyncpg.Record | None:
        try:
            # Outside a transaction each statement commits by itself, so the row is locked for
            # as long as the statement runs and nobody waits for somebody else's round trips.
            async with self._db.read() as connection:
                return await connection.fetchrow(sql, *args)
        except (Unavailable, asyncpg.PostgresError) as error:
            raise SupplierUnavailable(
                "The budget of supplier calls cannot be asked: the database is away, or behind"
                " this version of the shop."
            ) from error
