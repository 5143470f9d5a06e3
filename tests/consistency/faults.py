"""Everything that can be made to go wrong, how often and for how long; a seed decides which and when."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from msgspec import Struct


class FaultKind(Struct, frozen=True, kw_only=True):
    """One way of going wrong."""

    told: str
    weight: int = 2
    shortest: float = 0.0  # seconds
    longest: float = 0.0
    from_outside: bool = False
    """Whether a shop that somebody else started can be treated so."""


FAULTS: Final = {
    "api.kill": FaultKind(told="a process of the API is killed"),
    "api.stop": FaultKind(told="a process of the API is stopped", shortest=0.2, longest=7),
    "api.stutter": FaultKind(
        told="a process of the API is stopped for 2 to 40 ms, again and again",
        shortest=0.5, longest=3, weight=3,
    ),
    "worker.kill": FaultKind(told="a worker is killed"),
    "worker.stop": FaultKind(told="a worker is stopped", shortest=0.2, longest=7),
    "worker.stop_all": FaultKind(told="all workers are stopped", shortest=0.2, longest=4),
    "reader.kill": FaultKind(told="a process that reads what is one person's is killed"),
    "reader.stop": FaultKind(
        told="a process that reads what is one person's is stopped", shortest=0.2, longest=7
    ),
    "reader.stutter": FaultKind(
        told="a process that reads what is one person's is stopped for 2 to 40 ms, again and again",
        shortest=0.5, longest=3, weight=3,
    ),
    "writer.kill": FaultKind(told="a writer is killed", weight=5),
    "writer.stop": FaultKind(told="a writer is stopped", shortest=0.2, longest=7, weight=4),
    "redis.empty": FaultKind(told="Redis is killed and starts empty", longest=1.5, weight=3),
    "redis.old": FaultKind(
        told="Redis is killed and starts with an old snapshot", longest=1.5, weight=3
    ),
    "redis.save": FaultKind(told="Redis takes a snapshot", weight=2),
    "redis.flush": FaultKind(told="FLUSHALL", weight=3, from_outside=True),
    "redis.stop": FaultKind(told="Redis is stopped", shortest=0.1, longest=3, weight=3),
    "redis.stutter": FaultKind(
        told="Redis is stopped for 2 to 150 ms, again and again", shortest=0.5, longest=3
    ),
    "redis.full": FaultKind(
        told="Redis has no memory left and refuses", shortest=0.5, longest=3
    ),
    "redis.evicting": FaultKind(
        told="Redis has next to no memory and evicts", shortest=0.5, longest=3
    ),
    "redis.replica": FaultKind(told="Redis is made a replica", shortest=0.5, longest=2),
    "redis.clients": FaultKind(told="Redis drops every client", from_outside=True),
    "network.hole": FaultKind(
        told="a way to Redis swallows everything, and delivers it late", shortest=0.1, longest=2,
        weight=4,
    ),
    "network.hole_all": FaultKind(
        told="all ways to Redis swallow everything", shortest=0.1, longest=2
    ),
    "network.reset": FaultKind(told="a way to Redis is reset", shortest=0.05, longest=1, weight=3),
    "network.reset_all": FaultKind(told="all ways to Redis are reset", shortest=0.05, longest=1),
    "network.delay": FaultKind(
        told="a way to Redis delays every piece", shortest=0.5, longest=3, weight=4
    ),
    "network.delay_all": FaultKind(
        told="all ways to Redis delay every piece", shortest=0.5, longest=3
    ),
    "network.late_reads": FaultKind(
        told="what Redis replies to the API is late", shortest=0.5, longest=3
    ),
    "network.flicker": FaultKind(
        told="the writers' ways to Redis are reset again and again", shortest=0.5, longest=3
    ),
    "network.cut": FaultKind(
        told="a way to Redis breaks off in the middle of replies", shortest=0.1, longest=1, weight=4
    ),
    "network.cut_all": FaultKind(
        told="all ways to Redis break off in the middle of replies", shortest=0.1, longest=1
    ),
    "postgres.backends": FaultKind(
        told="PostgreSQL ends some of its clients' backends", from_outside=True
    ),
    "postgres.hole": FaultKind(
        told="the API's way to PostgreSQL swallows everything", shortest=0.1, longest=3
    ),
    "postgres.views": FaultKind(
        told="PostgreSQL ends whatever looks at the state of the cache, again and again",
        shortest=0.5, longest=3,
    ),
    "postgres.restart": FaultKind(told="PostgreSQL is stopped at once and starts again", weight=1),
}  # fmt: skip


class Strike(Struct, frozen=True):
    """One decision: what, how long, how hard, to whom, and how long after the one before."""

    name: str
    gap: float  # seconds
    seconds: float
    victim: float
    """From 0 to 1: a share of those who could be hit."""

    amount: float
    """From 0 to 1: how hard, as each fault reads it."""


def plan_strikes(seed: int, names: Sequence[str], *, every: float) -> Iterator[Strike]:
    """Decide on strikes without an end; the same seed and names make the same decisions."""
    dice = Random(seed)
    weights = [FAULTS[name].weight for name in names]
    while names:
        (name,) = dice.choices(names, weights)
        kind = FAULTS[name]
        # Long ones are rarer: half of the time goes into the shorter third.
        seconds = kind.shortest + (kind.longest - kind.shortest) * dice.random() ** 2
        yield Strike(
            name, dice.uniform(0.3, 2 * every - 0.3), seconds, dice.random(), dice.random()
        )
