"""The names of the weakened caches, and the conditions under which each is wrong."""

from typing import Final

from msgspec import Struct

from tests.consistency.faults import PlannedFault


class Conditions(Struct, frozen=True, kw_only=True):
    """The conditions under which the checker catches a weakness: repeated faults and write rates."""

    description: str
    planned_faults: tuple[PlannedFault, ...] = ()
    haste: float = 4.0
    uncached_writers: bool = False
    slow_loads: float = 0.05
    slow_writes: float = 0.05
    connections: int = 4
    seconds: float = 20.0
    caught: tuple[str, ...] = ("stale", "lost")
    """The kinds of violation of which the checker must find one: an old "not found" is "lost"."""


def _fault(name: str, *, after: float, seconds: float = 0.0, amount: float = 0.5) -> PlannedFault:
    return PlannedFault(name, after, seconds, 0.0, amount)


WEAKENED: Final = {
    "cache-aside": Conditions(
        description="GET, else load and SET; DEL after the COMMIT", haste=8, slow_loads=0.3
    ),
    "delete-before-commit": Conditions(
        description="DEL inside the transaction, nothing after it", slow_writes=0.2
    ),
    # Wrong when PUBLISH is lost after an INTENT that was not.
    "lease-without-marker": Conditions(
        description="DEL before and after the COMMIT, no marker in between",
        planned_faults=(_fault("network.flicker", after=0.5, seconds=3),),
        haste=10,
        slow_writes=0.3,
    ),
    "no-epoch": Conditions(
        description="values of an earlier epoch are served",
        planned_faults=(_fault("redis.save", after=3), _fault("redis.old", after=2, seconds=0.2)),
        haste=2,
        seconds=30,
    ),
    # A change that waits for the relay closes the cache, and is delivered when the relay is back.
    # A reply that was on its way in between is old, and looks trusted.
    "trust-after-reply-only": Conditions(
        description="GET is sent while Redis is not trusted",
        planned_faults=(_fault("worker.stop_all", after=2, seconds=1.6),),
        uncached_writers=True,
        connections=12,
    ),
    # Such a change is acknowledged once no process can still trust a view from before the CLOSE.
    "trust-remembered": Conditions(
        description="a view of the control row never expires",
        planned_faults=(
            _fault("postgres.views", after=3, seconds=2.5),
            _fault("worker.stop_all", after=0.1, seconds=2.4),
        ),
        uncached_writers=True,
        slow_loads=0.5,
    ),
    "trust-without-relay": Conditions(
        description="trust does not require that a relay runs",
        planned_faults=(_fault("worker.stop_all", after=2, seconds=3),),
    ),
    "shared-cart-key": Conditions(
        description="the key of a cart does not contain its owner", caught=("another's",)
    ),
    "guests-forgotten": Conditions(
        description="a guest's basket stays cached when it changes or is moved to a customer"
    ),
    "orders-forgotten": Conditions(
        description="an order stays cached when its keys are refunded, a list also when one is placed"
    ),
    "old-entity-tags": Conditions(
        description="an answer keeps its entity tag when it changes; 304 confirms older ones"
    ),
    "no-generation": Conditions(description="a group's new generation is not compared"),
}
