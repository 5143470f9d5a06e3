"""A state under its rules: the tests that all kinds of steps share, and the possible steps."""

from typing import NamedTuple

from tests.consistency.model.configurations import Configuration
from tests.consistency.model.states import (
    FRESH,
    Control,
    Incarnation,
    Redis,
    State,
    Worker,
    replaced,
)

HOLDS_LOCK = frozenset({"guarded", "redo", "in flight"})
"""Where a writer's transaction holds the shared advisory lock."""

UNDECIDED = HOLDS_LOCK | {"idle", "intended"}
"""Where the outcome of a writer's transaction is not decided yet."""

KNOWS_ENOUGH = frozenset({"ready", "queued", "locked", "locked, ready"})
"""Where a leader no longer needs Redis: its TOKEN was acknowledged."""


class Step(NamedTuple):
    """`helps`: a worker, a poll or PostgreSQL makes the step, so recovery may rely on it."""

    label: str
    state: State
    helps: bool
    violation: str | None


def closed(control: Control) -> Control:
    """Return the control row after CLOSE."""
    return control._replace(open=False, seq=FRESH)


class Moment:
    """One state of a configuration, and the steps that are possible in it."""

    __slots__ = ("config", "lock_is_held", "lock_is_wanted", "rules", "state", "steps")

    def __init__(self, state: State, config: Configuration) -> None:
        self.state = state
        self.config = config
        self.rules = config.rules
        self.steps: list[Step] = []
        self.lock_is_held = any(writer.at in HOLDS_LOCK for writer in state.writers)
        self.lock_is_wanted = self.lock_is_held and any(
            worker.at in {"queued", "queued warm"} for worker in state.workers
        )

    def add(
        self, label: str, state: State, *, helps: bool = False, violation: str | None = None
    ) -> None:
        """Add a possible step."""
        self.steps.append(Step(label, state, helps, violation))

    def add_of_worker(
        self,
        index: int,
        label: str,
        worker: Worker,
        *,
        state: State | None = None,
        helps: bool = True,
        by_postgres: bool = False,
    ) -> None:
        """Add a worker's step; recovery relies on it unless this worker may stop for ever."""
        state = self.state if state is None else state
        state = state._replace(workers=replaced(state.workers, index, worker))
        reliable = index < len(state.workers) - self.config.stopped_workers
        self.add(f"L{index} {label}", state, helps=by_postgres or (helps and reliable))

    def reached_by(self, connection: Incarnation | None) -> Redis | None:
        """Return the server at the other end of the connection, if it still runs."""
        if connection is None:
            return None
        state = self.state
        if state.redis.run == connection.run:
            return state.redis
        if state.old is not None and state.old.run == connection.run:
            return state.old
        return None

    def with_server(self, redis: Redis) -> State:
        """Return the state after a script changed this server."""
        if redis.run == self.state.redis.run:
            return self.state._replace(redis=redis)
        return self.state._replace(old=redis)

    def address(self) -> Incarnation:
        """Return what a new connection reads."""
        redis = self.state.redis
        return Incarnation(redis.run, redis.token if self.rules.token_exists else 0)

    def agree(self, connection: Incarnation | None, incarnation: Incarnation) -> bool:
        """Test whether the connection is to the incarnation, as far as the rules compare it."""
        if connection is None or connection.token != incarnation.token:
            return False
        if self.rules.incarnation_has_run_id and connection.run != incarnation.run:
            return False
        return connection.token != 0 or not self.rules.token_exists

    def accepts(self, redis: Redis, token: int, script: str) -> bool:
        """Test whether the script's test of the token, at its head, lets it run."""
        return (redis.token == token != 0) or not self.rules.checks_token(script)

    def views_waited_out(self) -> bool:
        """Test whether no process still holds an OPEN view older than the last CLOSE."""
        seq = self.state.control.seq
        return all(not reader.view.open or reader.view.seq == seq for reader in self.state.readers)

    def open_views(self) -> frozenset[int]:
        """Return the readers that hold an OPEN view; after a CLOSE, each is older than it."""
        readers = self.state.readers
        return frozenset(index for index, reader in enumerate(readers) if reader.view.open)

    def with_control(self, control: Control) -> State:
        """Return the state with the control row changed: every leader finds it changed."""
        workers = self.state.workers
        if self.rules.open_compares_seq:
            workers = tuple(worker._replace(unchanged=False) for worker in workers)
        return self.state._replace(control=control, workers=workers)

    def locked_rows(self) -> set[int | None]:
        """Return the outbox rows that a relay's transaction has locked."""
        return {worker.row for worker in self.state.workers if worker.at in {"took", "delivered"}}

    def newest_foreign(self) -> int:
        """Return the newest value that a foreign writer committed; it stands for the time of a beat."""
        fresh = (writer.value for writer in self.state.writers if writer.at == "fresh")
        return max(self.state.matured, *fresh, 0)

    def is_guarded(self, writer: int) -> bool:
        """Test whether the writer's outbox row is marked as guarded."""
        if self.config.writers[writer].path == "foreign":
            return not self.rules.foreign_rows_are_unguarded
        return self.state.writers[writer].guarded
