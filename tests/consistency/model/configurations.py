"""The configurations that are searched: processes, writers, and the faults that may happen."""

from typing import Literal, NamedTuple

import msgspec

from tests.consistency.model.rules import Rules
from tests.consistency.model.states import Target

FaultName = Literal[
    "flush", "restart", "snapshot", "failover", "partition", "lost", "late", "unknown"
]

EVERY_FAULT: frozenset[FaultName] = frozenset(
    {"flush", "restart", "snapshot", "failover", "partition", "lost", "late", "unknown"}
)


class WriterKind(NamedTuple):
    """
    How a writer reaches Redis and what it invalidates.

    `off` runs with `CACHE_MODE=off` or has lost Redis for good; `foreign` is a program outside
    keyshop: no INTENT, no guard, no waiting, and its COMMIT is its acknowledgement.
    `silent` is a foreign one while triggers are disabled: it leaves no row, and its value is promised
    only once a worker has noticed that.
    """

    path: Literal["guarded", "off", "foreign", "silent"]
    target: Target = "key"


GUARDED = WriterKind("guarded")
GUARDED_GROUP = WriterKind("guarded", "group")
OFF = WriterKind("off")
OFF_GROUP = WriterKind("off", "group")
FOREIGN = WriterKind("foreign")
SILENT = WriterKind("silent")
FOREIGN_GROUP = WriterKind("foreign", "group")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """
    The processes, writers and faults of one search.

    The last `stopped_workers` of the workers may stop for ever at any step, and the last `off_workers`
    have no Redis (`CACHE_MODE=off`). With `slow_gets`, trust is tested when a GET is sent, and the GET
    runs at any later time; otherwise both are one step.
    """

    name: str
    writers: tuple[WriterKind, ...] = (GUARDED,)
    readers: int = 1
    workers: int = 1
    stopped_workers: int = 0
    off_workers: int = 0
    slow_gets: bool = False
    faults: int = 1
    kinds: frozenset[FaultName] = EVERY_FAULT
    other_shop: int = 0
    rules: Rules = Rules()
    limit: int = 9_000_000

    @property
    def workers_with_redis(self) -> int:
        """Return the number of workers that have Redis."""
        return self.workers - self.off_workers

    @property
    def has_foreign_writers(self) -> bool:
        """Test whether there is a writer outside keyshop."""
        return any(kind.path == "foreign" for kind in self.writers)


def _kinds(*kinds: FaultName) -> frozenset[FaultName]:
    return frozenset(kinds)


SMALL = [
    Configuration(name="a guarded writer of the key, any fault"),
    Configuration(name="a guarded writer of the group, any fault", writers=(GUARDED_GROUP,)),
    Configuration(name="an unguarded writer, any fault", writers=(OFF,)),
    Configuration(name="a foreign writer, any fault", writers=(FOREIGN,)),
    Configuration(name="a guarded and an unguarded writer", writers=(GUARDED, OFF), faults=0),
    Configuration(name="a foreign and a guarded writer", writers=(FOREIGN, GUARDED), faults=0),
    Configuration(
        name="an unguarded writer, two workers, one may stop for ever",
        writers=(OFF,),
        workers=2,
        stopped_workers=1,
        faults=0,
    ),
    Configuration(
        name="a foreign writer, two workers, one may stop for ever",
        writers=(FOREIGN,),
        workers=2,
        stopped_workers=1,
        faults=0,
    ),
    Configuration(name="two silent writers", writers=(SILENT, SILENT), faults=0),
    Configuration(
        name="another shop on the same Redis, FLUSHALL", kinds=_kinds("flush"), other_shop=2
    ),
]

LARGE = [
    *SMALL,
    Configuration(
        name="a guarded and an unguarded writer, FLUSHALL",
        writers=(GUARDED, OFF),
        kinds=_kinds("flush"),
    ),
    Configuration(
        name="a guarded and an unguarded writer, any fault but a snapshot",
        writers=(GUARDED, OFF),
        kinds=EVERY_FAULT - {"snapshot"},
    ),
    Configuration(
        name="a guarded writer, any two faults but failover",
        faults=2,
        kinds=EVERY_FAULT - {"failover"},
    ),
    Configuration(
        name="a guarded writer, two of failover, FLUSHALL, late script",
        faults=2,
        kinds=_kinds("failover", "flush", "late"),
    ),
    Configuration(
        name="a guarded writer, three times FLUSHALL or a late script",
        faults=3,
        kinds=_kinds("flush", "late"),
    ),
    Configuration(name="a guarded writer, two workers, FLUSHALL", workers=2, kinds=_kinds("flush")),
    Configuration(name="a guarded writer, two readers, FLUSHALL", readers=2, kinds=_kinds("flush")),
    Configuration(name="an unguarded writer of the group, any fault", writers=(OFF_GROUP,)),
    Configuration(
        name="an unguarded writer, two workers, failover",
        writers=(OFF,),
        workers=2,
        kinds=_kinds("failover"),
    ),
    Configuration(
        name="an unguarded writer, two workers, one may stop for ever, FLUSHALL",
        writers=(OFF,),
        workers=2,
        stopped_workers=1,
        kinds=_kinds("flush"),
    ),
    Configuration(
        name="two unguarded writers, two workers, one of them with the cache off",
        writers=(OFF, OFF),
        workers=2,
        off_workers=1,
        faults=0,
    ),
    Configuration(name="a foreign writer of the group, any fault", writers=(FOREIGN_GROUP,)),
    Configuration(name="two foreign writers", writers=(FOREIGN, FOREIGN), faults=0),
    Configuration(name="a foreign and an unguarded writer", writers=(FOREIGN, OFF), faults=0),
    Configuration(
        name="a foreign and a guarded writer, FLUSHALL",
        writers=(FOREIGN, GUARDED),
        kinds=_kinds("flush"),
    ),
    Configuration(
        name="a foreign writer, two workers, one may stop for ever, FLUSHALL or partition",
        writers=(FOREIGN,),
        workers=2,
        stopped_workers=1,
        kinds=_kinds("flush", "partition"),
    ),
    Configuration(
        name="a foreign writer, two readers, partition",
        writers=(FOREIGN,),
        readers=2,
        kinds=_kinds("partition"),
    ),
    Configuration(name="a silent writer, any fault", writers=(SILENT,)),
    Configuration(name="a silent and a guarded writer", writers=(SILENT, GUARDED), faults=0),
    Configuration(name="a silent and an unguarded writer", writers=(SILENT, OFF), faults=0),
    Configuration(
        name="a silent writer, two workers, one may stop for ever",
        writers=(SILENT,),
        workers=2,
        stopped_workers=1,
        faults=0,
    ),
    Configuration(name="another shop on the same Redis, any fault", other_shop=2),
    Configuration(name="a guarded writer, any fault, GETs run late", slow_gets=True),
    Configuration(
        name="an unguarded writer, any fault, GETs run late", writers=(OFF,), slow_gets=True
    ),
    Configuration(
        name="a foreign writer, any fault, GETs run late", writers=(FOREIGN,), slow_gets=True
    ),
]
