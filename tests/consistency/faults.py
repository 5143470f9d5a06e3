"""The faults that can be injected, how often and for how long; a seed decides which and when."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from msgspec import Struct


class FaultKind(Struct, frozen=True, kw_only=True):
    """One kind of fault."""

    description: str
    weight: int = 2
    shortest: float = 0.0  # seconds
    longest: float = 0.0
    from_outside: bool = False
    """Whether it can be injected into a running shop that the checker did not start."""


FAULTS: Final = {
    "api.kill": FaultKind(description="an API process is killed"),
    "api.stop": FaultKind(description="an API process is stopped", shortest=0.2, longest=7),
    "api.stutter": FaultKind(
        description="an API process is repeatedly stopped for 2 to 40 ms",
        shortest=0.5, longest=3, weight=3,
    ),
    "worker.kill": FaultKind(description="a worker is killed"),
    "worker.stop": FaultKind(description="a worker is stopped", shortest=0.2, longest=7),
    "worker.stop_all": FaultKind(description="all workers are stopped", shortest=0.2, longest=4),
    "reader.kill": FaultKind(description="a process that reads personal data is killed"),
    "reader.stop": FaultKind(
        description="a process that reads personal data is stopped", shortest=0.2, longest=7
    ),
    "reader.stutter": FaultKind(
        description="a process that reads personal data is repeatedly stopped for 2 to 40 ms",
        shortest=0.5, longest=3, weight=3,
    ),
    "writer.kill": FaultKind(description="a writer is killed", weight=5),
    "writer.stop": FaultKind(description="a writer is stopped", shortest=0.2, longest=7, weight=4),
    "redis.empty": FaultKind(description="Redis is killed and starts empty", longest=1.5, weight=3),
    "redis.old": FaultKind(
        description="Redis is killed and starts with an old snapshot", longest=1.5, weight=3
    ),
    "redis.save": FaultKind(description="Redis takes a snapshot", weight=2),
    "redis.flush": FaultKind(description="FLUSHALL", weight=3, from_outside=True),
    "redis.stop": FaultKind(description="Redis is stopped", shortest=0.1, longest=3, weight=3),
    "redis.stutter": FaultKind(
        description="Redis is repeatedly stopped for 2 to 150 ms", shortest=0.5, longest=3
    ),
    "redis.full": FaultKind(
        description="Redis has no memory left and refuses writes", shortest=0.5, longest=3
    ),
    "redis.evicting": FaultKind(
        description="Redis has almost no memory and evicts keys", shortest=0.5, longest=3
    ),
    "redis.replica": FaultKind(description="Redis is made a replica", shortest=0.5, longest=2),
    "redis.clients": FaultKind(description="Redis drops every client", from_outside=True),
    "network.hole": FaultKind(
        description="one connection path to Redis holds everything back and delivers it late", shortest=0.1, longest=2,
        weight=4,
    ),
    "network.hole_all": FaultKind(
        description="all paths to Redis hold everything back", shortest=0.1, longest=2
    ),
    "network.reset": FaultKind(description="one path to Redis is reset", shortest=0.05, longest=1, weight=3),
    "network.reset_all": FaultKind(description="all paths to Redis are reset", shortest=0.05, longest=1),
    "network.delay": FaultKind(
        description="one path to Redis delays every chunk", shortest=0.5, longest=3, weight=4
    ),
    "network.delay_all": FaultKind(
        description="all paths to Redis delay every chunk", shortest=0.5, longest=3
    ),
    "network.late_reads": FaultKind(
        description="Redis' replies to the API are late", shortest=0.5, longest=3
    ),
    "network.flicker": FaultKind(
        description="the writers' paths to Redis are repeatedly reset", shortest=0.5, longest=3
    ),
    "network.cut": FaultKind(
        description="one path to Redis breaks off in the middle of replies", shortest=0.1, longest=1, weight=4
    ),
    "network.cut_all": FaultKind(
        description="all paths to Redis break off in the middle of replies", shortest=0.1, longest=1
    ),
    "postgres.backends": FaultKind(
        description="PostgreSQL ends some of its clients' backends", from_outside=True
    ),
    "postgres.hole": FaultKind(
        description="the API's path to PostgreSQL holds everything back", shortest=0.1, longest=3
    ),
    "postgres.views": FaultKind(
        description="PostgreSQL repeatedly ends the sessions that read the control row",
        shortest=0.5, longest=3,
    ),
    "postgres.restart": FaultKind(description="PostgreSQL is stopped in immediate mode and restarted", weight=1),
}  # fmt: skip


class PlannedFault(Struct, frozen=True):
    """One planned fault: its kind, length, strength and victim, and the pause before it."""

    name: str
    gap: float  # seconds
    seconds: float
    victim: float
    """From 0 to 1: which of the possible victims."""

    amount: float
    """From 0 to 1: the strength; each kind of fault interprets it."""


def plan_faults(seed: int, names: Sequence[str], *, every: float) -> Iterator[PlannedFault]:
    """Yield faults without end; the same seed and names give the same faults."""
    dice = Random(seed)
    weights = [FAULTS[name].weight for name in names]
    while names:
        (name,) = dice.choices(names, weights)
        kind = FAULTS[name]
        # Long ones are rarer: half of the time goes into the shorter third.
        seconds = kind.shortest + (kind.longest - kind.shortest) * dice.random() ** 2
        yield PlannedFault(
            name, dice.uniform(0.3, 2 * every - 0.3), seconds, dice.random(), dice.random()
        )
