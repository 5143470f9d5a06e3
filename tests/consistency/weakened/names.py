"""What the weakened caches are called, and the circumstances under which each is wrong."""

from typing import Final

from msgspec import Struct


class Circumstances(Struct, frozen=True, kw_only=True):
    """Which faults bring the weakness to light, and who has to write how fast."""

    told: str
    faults: str = "none"
    fault_every: float = 1.0
    haste: float = 4.0
    uncached_writers: bool = False
    seconds: float = 20.0


WEAKENED: Final = {
    "cache-aside": Circumstances(told="GET, else load and SET; DEL after the COMMIT"),
    "delete-before-commit": Circumstances(told="DEL inside the transaction, nothing after it"),
    "lease-without-marker": Circumstances(
        told="DEL before and after the COMMIT, no marker in between",
        faults="network.flicker",
        fault_every=0.4,
        haste=10,
    ),
    "no-epoch": Circumstances(
        told="values of an earlier time are believed",
        faults="redis.save,redis.old",
        fault_every=2.0,
    ),
    "trust-after-reply-only": Circumstances(
        told="GET is sent while Redis may not be believed",
        faults="worker.stop_all,network.delay_reads",
        fault_every=0.5,
        uncached_writers=True,
    ),
    "trust-remembered": Circumstances(
        told="what PostgreSQL said of Redis never lapses",
        faults="api.stop,worker.stop_all",
        fault_every=0.6,
        uncached_writers=True,
    ),
    "no-generation": Circumstances(told="a group's new generation is not compared"),
}
