"""
The state of the shop: Redis, the control row, the processes and what they know.

There is one key in one group; its value in PostgreSQL is the number of commits so far. Each random
name (run id, token, epoch, generation, lease, `seq`) is a small number: only equality matters, 0 means
"none", `FRESH` a name never used before.
"""

from typing import Literal, NamedTuple, TypeVar

_Item = TypeVar("_Item")

Target = Literal["key", "group"]

FRESH = 99
OTHER_SHOP = -7
"""The other shop's value, epoch, marker and token."""


class Incarnation(NamedTuple):
    """What a new connection reads: the run of Redis, and its `cl:token`."""

    run: int
    token: int


class Stored(NamedTuple):
    """A value in Redis with its tag's epoch and the generation of its group."""

    value: int
    epoch: int
    generation: int


class Redis(NamedTuple):
    run: int
    token: int
    stored: Stored | None
    lease: int
    key_markers: frozenset[int]
    group_markers: frozenset[int]
    generation: int


class Control(NamedTuple):
    """The control row, without the relay's beat, which changes no `seq`."""

    epoch: int
    incarnation: Incarnation
    open: bool
    seq: int
    cold_next: bool
    blocked: bool = False


class Read(NamedTuple):
    """
    A read in progress: GET is `asked`, its reply was `got`, or it `joined` the running load.

    The first three values are the oldest that it may return, taken when it started.
    """

    acknowledged: int
    visible: int
    matured: int
    at: str
    value: int
    epoch: int


class Load(NamedTuple):
    """A load under a lease: `reading` the database, `read`, its FILL `sent`, or `filled`."""

    at: str
    lease: int
    epoch: int
    generation: int
    connection: Incarnation
    value: int
    seq: int


class Reader(NamedTuple):
    """A process that answers reads: one in flight, one load, and its polled view."""

    read: Read | None
    load: Load | None
    view: Control
    beat: int
    connection: Incarnation | None
    cut: bool


class Writer(NamedTuple):
    """
    One transaction: its position, whether it is guarded, and the value that it committed.

    `waits_for` are the readers whose view is older than the CLOSE that an unguarded writer found at
    GUARD, or made itself; None: it found the cache open and has not closed it.
    """

    at: str
    guarded: bool
    value: int
    connection: Incarnation | None
    cut: bool
    waits_for: frozenset[int] | None


class Worker(NamedTuple):
    """
    A relay and recovery leader.

    `drawn` is the token it sent, `unchanged` says that the control row is still the one it read,
    `row` is the outbox row it has locked, `since` when its round began (0: no round worth a beat).
    """

    at: str
    connection: Incarnation | None
    drawn: int
    unchanged: bool
    row: int | None
    since: int
    cut: bool


class LateScript(NamedTuple):
    """A script that its sender gave up and Redis will still run."""

    script: Literal["INTENT", "PUBLISH", "TOKEN"]
    writer: int
    connection: Incarnation


class State(NamedTuple):
    """
    One state of the whole shop.

    `acknowledged` is the newest value acknowledged by keyshop, `visible` the newest committed under
    guard, `matured` the newest that a foreign writer committed more than a second ago.
    """

    redis: Redis
    old: Redis | None
    snapshot: Redis | None
    control: Control
    beat: int
    value: int
    acknowledged: int
    visible: int
    matured: int
    rows: frozenset[int]
    readers: tuple[Reader, ...]
    writers: tuple[Writer, ...]
    workers: tuple[Worker, ...]
    late: frozenset[LateScript]
    faults: int
    other_shop: int


def replaced(items: tuple[_Item, ...], index: int, item: _Item) -> tuple[_Item, ...]:
    """Return the tuple with another item at the index."""
    return (*items[:index], item, *items[index + 1 :])
