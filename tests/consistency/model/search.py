"""
Breadth-first search over every interleaving, so that the first counter-example is a shortest one.

Checked: G1, no read that starts after an acknowledged write returns an older value; G1F, the same
one second after a foreign COMMIT; L1, no read returns less than a guarded commit that was visible
when it started; SHOP, none returns another shop's value; B1, no writer waits for a process that can
be stopped; STUCK, polls, workers and PostgreSQL alone lead back to trusted hits from every state.

How time is modelled, so that every order that a clock allows is possible:

* A killed or stopped process makes no further step. PostgreSQL ends an open transaction at any time.
* A wait of 500 or 600 ms after a CLOSE lasts until no reader holds an OPEN view from before it.
* A second after a foreign COMMIT may pass at any time. From then on, every beat whose round began
  before that COMMIT is too old, in the control row and in every view: it is more than a second old. A
  round is identified by the newest foreign COMMIT before it.
* A request for the exclusive lock ends by its lock_timeout at any time.

States are stored completely; none is identified by its hash alone.
"""

import sys
import time
from array import array
from itertools import accumulate

import msgspec

from tests.consistency.model.canonical import canonical
from tests.consistency.model.configurations import Configuration
from tests.consistency.model.environment import steps_of_environment
from tests.consistency.model.moment import Moment, Step
from tests.consistency.model.readers import steps_of_readers
from tests.consistency.model.states import (
    OTHER_SHOP,
    Control,
    Incarnation,
    Reader,
    Redis,
    State,
    Worker,
    Writer,
)
from tests.consistency.model.workers import steps_of_workers
from tests.consistency.model.writers import steps_of_writers

_EMPTY: frozenset[int] = frozenset()


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The size of the search, and a shortest trace to each violation."""

    states: int
    steps: int
    seconds: float
    violations: dict[str, list[str]]


def search(
    config: Configuration, *, until: str | None = None, progress: bool = True
) -> SearchResult:
    """
    Search the whole configuration, or until a violation of this name is found.

    Without `progress`, it does not check that every state leads back to trusted hits.
    """
    began = time.perf_counter()
    found = _Search(config, progress=progress)
    found.run(until)
    return SearchResult(
        states=len(found.states),
        steps=found.steps,
        seconds=time.perf_counter() - began,
        violations={name: found.trace(*end) for name, end in found.violations.items()},
    )


def first_state(config: Configuration) -> State:
    """Return the state of a warm, trusted cache with nothing in flight."""
    token = 1 if config.rules.token_exists else 0
    connection = Incarnation(1, token)
    control = Control(1, connection, open=True, seq=1, cold_next=False)
    return State(
        redis=Redis(1, 1, None, 0, _EMPTY, _EMPTY, 1),
        old=None,
        snapshot=None,
        control=control,
        beat=0,
        value=0,
        acknowledged=0,
        visible=0,
        matured=0,
        rows=_EMPTY,
        readers=(Reader(None, None, control, 0, connection, cut=False),) * config.readers,
        writers=tuple(
            Writer("idle", False, 0, connection if kind.path == "guarded" else None, False, None)
            for kind in config.writers
        ),
        workers=(Worker("idle", connection, 0, False, None, 0, cut=False),)
        * config.workers_with_redis
        + (Worker("idle", None, 0, False, None, 0, cut=True),) * config.off_workers,
        late=frozenset(),
        faults=config.faults,
        other_shop=config.other_shop,
    )


def steps_from(state: State, config: Configuration) -> list[Step]:
    """Return every step that is possible in the state."""
    moment = Moment(state, config)
    steps_of_readers(moment)
    steps_of_writers(moment)
    steps_of_workers(moment)
    steps_of_environment(moment)
    return moment.steps


def is_good(state: State, config: Configuration) -> bool:
    """Test whether the next read ends in a trusted hit, or in a lease whose FILL is accepted."""
    redis, control = state.redis, state.control
    if not config.rules.token_carries_shop and redis.token != OTHER_SHOP:
        return False
    incarnation = control.incarnation
    if not control.open or redis.key_markers or redis.group_markers:
        return False
    if redis.run != incarnation.run or redis.token != incarnation.token != 0:
        return False
    return all(
        reader.view == control and reader.connection == incarnation and reader.beat >= state.matured
        for reader in state.readers
    )


class _Search:
    def __init__(self, config: Configuration, *, progress: bool) -> None:
        self.config = config
        self.progress = progress
        self.states = [canonical(first_state(config), config)]
        self.steps = 0
        self.violations: dict[str, tuple[int, str]] = {}
        self._index = {self.states[0]: 0}
        self._parents = array("l", [-1])
        self._labels = [""]
        self._good = bytearray()
        self._helping_from = array("l")
        self._helping_to = array("l")
        self._shared: dict[object, object] = {}

    def run(self, until: str | None) -> None:
        at = 0
        while at < len(self.states):
            self._expand(at)
            if until in self.violations:
                return
            if len(self.states) > self.config.limit:
                self.violations["LIMIT"] = (at, "")
                return
            at += 1
        if self.progress:
            self._look_for_stuck()

    def _expand(self, at: int) -> None:
        state, config = self.states[at], self.config
        good = is_good(state, config)
        self._good.append(good)
        steps = steps_from(state, config)
        self.steps += len(steps)
        for label, following, helps, violation in steps:
            if violation is not None:
                self.violations.setdefault(violation, (at, label))
            to = self._add(canonical(following, config), at, label)
            if helps and not good and self.progress:
                self._helping_from.append(at)
                self._helping_to.append(to)

    def _add(self, state: State, parent: int, label: str) -> int:
        known = self._index.get(state)
        if known is not None:
            return known
        share = self._shared.setdefault
        state = State._make([share(part, part) for part in state])
        self._index[state] = index = len(self.states)
        self.states.append(state)
        self._parents.append(parent)
        self._labels.append(sys.intern(label))
        return index

    def trace(self, at: int, last: str) -> list[str]:
        labels = [last] if last else []
        while self._parents[at] >= 0:
            labels.append(self._labels[at])
            at = self._parents[at]
        return labels[::-1]

    def _look_for_stuck(self) -> None:
        """Walk backwards from the good states; a state that is never met has no way back."""
        first, sources = _grouped(self._helping_from, self._helping_to, len(self.states))
        good = self._good
        waiting = [index for index, is_good in enumerate(good) if is_good]
        while waiting:
            index = waiting.pop()
            for source in sources[first[index] : first[index + 1]]:
                if not good[source]:
                    good[source] = 1
                    waiting.append(source)
        stuck = good.find(0)
        if stuck >= 0:
            self.violations["STUCK"] = (stuck, "(no way back to trusted hits)")


def _grouped(
    sources: "array[int]", targets: "array[int]", size: int
) -> "tuple[array[int], array[int]]":
    """Return where each target's sources begin, and the sources ordered by target."""
    counts = array("l", bytes(array("l").itemsize * (size + 1)))
    for target in targets:
        counts[target + 1] += 1
    first = array("l", accumulate(counts))
    free, ordered = array("l", first), array("l", bytes(array("l").itemsize * len(targets)))
    for source, target in zip(sources, targets, strict=True):
        ordered[free[target]] = source
        free[target] += 1
    return first, ordered
