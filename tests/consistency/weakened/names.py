"""What the weakened caches are called, and the circumstances under which each is wrong."""

from typing import Final

from msgspec import Struct

from tests.consistency.faults import Strike


class Circumstances(Struct, frozen=True, kw_only=True):
    """What brings a weakness to light: the faults, again and again, and who writes how fast."""

    told: str
    strikes: tuple[Strike, ...] = ()
    haste: float = 4.0
    uncached_writers: bool = False
    slow_loads: float = 0.05
    slow_writes: float = 0.05
    connections: int = 4
    seconds: float = 20.0
    caught: str = "stale"
    """What the checker has to find."""


def _strike(name: str, *, after: float, seconds: float = 0.0, amount: float = 0.5) -> Strike:
    return Strike(name, after, seconds, 0.0, amount)


WEAKENED: Final = {
    "cache-aside": Circumstances(
        told="GET, else load and SET; DEL after the COMMIT", haste=8, slow_loads=0.3
    ),
    "delete-before-commit": Circumstances(
        told="DEL inside the transaction, nothing after it", slow_writes=0.2
    ),
    # Wrong when PUBLISH is lost after an INTENT that was not.
    "lease-without-marker": Circumstances(
        told="DEL before and after the COMMIT, no marker in between",
        strikes=(_strike("network.flicker", after=0.5, seconds=3),),
        haste=10,
        slow_writes=0.3,
    ),
    "no-epoch": Circumstances(
        told="values of an earlier time are believed",
        strikes=(_strike("redis.save", after=3), _strike("redis.old", after=2, seconds=0.2)),
        haste=2,
        seconds=30,
    ),
    # A change that waits for the relay closes the cache, and is delivered when the relay is back:
    # a reply that was under way all the time is old, and looks trusted.
    "trust-after-reply-only": Circumstances(
        told="GET is sent while Redis may not be believed",
        strikes=(
            _strike("worker.stop_all", after=2.5, seconds=1.2),
            _strike("network.late_reads", after=0.7, seconds=0.8, amount=0.8),
        ),
        uncached_writers=True,
        connections=12,
        seconds=30,
    ),
    # Such a change is acknowledged when nobody trusts any more who may not know that it is closed.
    "trust-remembered": Circumstances(
        told="what PostgreSQL said of Redis never lapses",
        strikes=(
            _strike("postgres.views", after=3, seconds=2.5),
            _strike("worker.stop_all", after=0.1, seconds=2.4),
        ),
        uncached_writers=True,
        slow_loads=0.5,
    ),
    "trust-without-relay": Circumstances(
        told="nobody asks whether a relay delivers what others write",
        strikes=(_strike("worker.stop_all", after=2, seconds=3),),
    ),
    "shared-cart-key": Circumstances(
        told="the key of a cart does not say whose it is", caught="another's"
    ),
    "guests-forgotten": Circumstances(
        told="a guest's basket is kept when it changes or is moved to a customer"
    ),
    "no-generation": Circumstances(told="a group's new generation is not compared"),
}
