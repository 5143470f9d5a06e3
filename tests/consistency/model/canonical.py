"""
The canonical form of a state: parts without any further effect are dropped, names are numbered.

A part is dropped only while the rule that makes it harmless is in force.
"""

from tests.consistency.model.configurations import Configuration
from tests.consistency.model.states import (
    OTHER_SHOP,
    Control,
    Incarnation,
    LateScript,
    Load,
    Read,
    Reader,
    Redis,
    State,
    Stored,
    Worker,
    Writer,
)

_NEEDS_NOTHING = frozenset({"published", "left to relay", "gone", "aborted", "matured"})


def canonical(state: State, config: Configuration) -> State:
    """Return the state's representative: two states that behave alike become equal."""
    if state.old is not None and not _is_in_use(state, state.old.run):
        state = state._replace(old=None)
    return _Canon(state, config).state()


def _is_in_use(state: State, run: int) -> bool:
    for processes in (state.readers, state.writers, state.workers):
        for process in processes:
            if process.connection is not None and process.connection.run == run:
                return True
    return any(late.connection.run == run for late in state.late) or any(
        reader.load is not None and reader.load.connection.run == run for reader in state.readers
    )


class _Canon:
    """Numbers random names in the order in which a fixed walk meets them."""

    __slots__ = (
        "_config",
        "_controls",
        "_epochs",
        "_generations",
        "_leases",
        "_old_run",
        "_rules",
        "_runs",
        "_seqs",
        "_state",
        "_tokens",
    )

    def __init__(self, state: State, config: Configuration) -> None:
        self._state = state
        self._config = config
        self._rules = config.rules
        self._old_run = -1 if state.old is None else state.old.run
        self._runs: dict[int, int] = {0: 0}
        self._tokens: dict[int, int] = {0: 0, OTHER_SHOP: OTHER_SHOP}
        self._epochs: dict[int, int] = {OTHER_SHOP: OTHER_SHOP}
        self._generations: dict[int, int] = {0: 0}
        self._leases: dict[int, int] = {0: 0}
        self._seqs: dict[int, int] = {}
        self._controls: dict[int, Control] = {}

    def state(self) -> State:
        """Return the canonical state."""
        state = self._state
        readers = [self._without_dead_load(reader) for reader in state.readers]
        epochs = {state.control.epoch, *(reader.view.epoch for reader in readers)}
        leases = {reader.load.lease for reader in readers if reader.load is not None}
        control = self._control(state.control)
        redis = self._redis(state.redis, epochs, leases)
        old = None if state.old is None else self._redis(state.old, epochs, leases)
        snapshot = state.snapshot if state.faults else None
        if snapshot is not None:
            snapshot = self._redis(snapshot, epochs, leases)
        return State(
            redis,
            old,
            snapshot,
            control,
            self._beat(state.beat),
            state.value,
            state.acknowledged,
            state.visible,
            state.matured,
            state.rows,
            tuple([self._reader(reader) for reader in readers]),
            tuple([self._writer(writer) for writer in state.writers]),
            tuple([self._worker(worker) for worker in state.workers]),
            self._late() if state.late else state.late,
            state.faults,
            state.other_shop,
        )

    def _control(self, control: Control) -> Control:
        known = self._controls.get(control.seq)
        if known is None:
            epochs, seqs = self._epochs, self._seqs
            known = self._controls[control.seq] = Control(
                epochs.setdefault(control.epoch, len(epochs)),
                self._incarnation(control.incarnation),
                control.open,
                seqs.setdefault(control.seq, len(seqs)),
                control.cold_next,
                control.blocked,
            )
        return known

    def _incarnation(self, incarnation: Incarnation) -> Incarnation:
        runs, tokens = self._runs, self._tokens
        return Incarnation(
            runs.setdefault(incarnation.run, len(runs)),
            tokens.setdefault(incarnation.token, len(tokens)),
        )

    def _generation(self, generation: int) -> int:
        if not self._rules.generation_is_random:
            return generation
        return self._generations.setdefault(generation, len(self._generations))

    def _beat(self, beat: int) -> int:
        return beat if beat >= self._state.matured else 0

    def _redis(self, redis: Redis, epochs: set[int], leases: set[int]) -> Redis:
        stored = redis.stored
        if stored is not None and self._is_lost(stored, redis, epochs):
            stored = None
        runs, tokens, known = self._runs, self._tokens, self._epochs
        lease = 0
        if redis.lease in leases:
            lease = self._leases.setdefault(redis.lease, len(self._leases))
        return Redis(
            runs.setdefault(redis.run, len(runs)),
            tokens.setdefault(redis.token, len(tokens)),
            stored
            and Stored(
                stored.value,
                known.setdefault(stored.epoch, len(known)),
                self._generation(stored.generation),
            ),
            lease,
            redis.key_markers,
            redis.group_markers,
            self._generation(redis.generation),
        )

    def _is_lost(self, stored: Stored, redis: Redis, epochs: set[int]) -> bool:
        """Test whether no read can ever serve the value: its tag or its generation is gone."""
        if stored.epoch not in epochs and self._rules.epoch_is_random:
            return True
        return stored.generation != redis.generation and self._rules.generation_is_random

    def _without_dead_load(self, reader: Reader) -> Reader:
        read, load = reader.read, reader.load
        if load is not None and load.at != "filled" and self._must_be_refused(reader, load):
            load = None
            read = None if read is not None and read.at == "joined" else read
        connection = self._link(reader)
        if read is not None and self._is_hopeless(read, reader, connection):
            read = None
        return Reader(read, load, reader.view, reader.beat, connection, reader.cut)

    def _is_hopeless(self, read: Read, reader: Reader, connection: Incarnation | None) -> bool:
        """Test whether the read can only end in PostgreSQL: a lost connection, another tag."""
        if read.at == "asked":
            return connection is None or connection != reader.connection
        return read.at == "got" and read.epoch != reader.view.epoch

    def _must_be_refused(self, reader: Reader, load: Load) -> bool:
        rules, state = self._rules, self._state
        if not rules.joiner_waits_for_fill:
            return False
        if load.connection.run == state.redis.run:
            redis = state.redis
        elif state.old is not None and load.connection.run == state.old.run:
            redis = state.old
        else:
            return rules.fill_compares_view
        if rules.fill_needs_lease and redis.lease != load.lease:
            return True
        compares_tag = rules.fill_compares_view and rules.fill_keeps_tag
        if load.at != "sent" and load.epoch != reader.view.epoch and compares_tag:
            return True
        if not (rules.fill_compares_generation and rules.fill_keeps_generation):
            return False
        return rules.generation_is_random and redis.generation != load.generation

    def _link(self, reader: Reader) -> Incarnation | None:
        """Reconnecting is free, so a connection that cannot be trusted may be a new one."""
        connection = reader.connection
        if reader.cut or not self._rules.compares_incarnations():
            return connection
        if connection == reader.view.incarnation or self._is_to_old(connection):
            return connection
        return self._address()

    def _is_to_old(self, connection: Incarnation | None) -> bool:
        return connection is not None and connection.run == self._old_run

    def _address(self) -> Incarnation:
        redis = self._state.redis
        return Incarnation(redis.run, redis.token if self._rules.token_exists else 0)

    def _reader(self, reader: Reader) -> Reader:
        read, load = reader.read, reader.load
        if load is not None:
            load = self._load(load)
        if read is not None and read.at == "got":
            epochs = self._epochs
            read = read._replace(epoch=epochs.setdefault(read.epoch, len(epochs)))
        connection = reader.connection
        return Reader(
            read,
            load,
            self._control(reader.view),
            self._beat(reader.beat),
            connection and self._incarnation(connection),
            reader.cut,
        )

    def _load(self, load: Load) -> Load:
        leases, epochs, seqs = self._leases, self._epochs, self._seqs
        return Load(
            load.at,
            leases.setdefault(load.lease, len(leases)),
            epochs.setdefault(load.epoch, len(epochs)),
            self._generation(load.generation),
            self._incarnation(load.connection),
            load.value,
            seqs.setdefault(load.seq, len(seqs)),
        )

    def _writer(self, writer: Writer) -> Writer:
        at, connection = writer.at, writer.connection
        if at in _NEEDS_NOTHING:
            return Writer(at, writer.guarded, 0, None, False, None)
        if at == "closing":
            return Writer(at, writer.guarded, writer.value, None, False, writer.waits_for)
        if connection is None:
            return writer
        state = self._state
        gone = connection.run not in {state.redis.run, self._old_run}
        if gone or (at == "committed" and not writer.guarded):
            return writer._replace(connection=None)
        return writer._replace(connection=self._incarnation(connection))

    def _worker(self, worker: Worker) -> Worker:
        connection = worker.connection
        if worker.at in _HAS_TIME and not worker.cut and not self._is_to_old(connection):
            rules = self._rules
            if rules.compares_incarnations() and rules.publish_checks_token:
                connection = self._address()
        tokens = self._tokens
        since = worker.since
        return Worker(
            worker.at,
            connection and self._incarnation(connection),
            tokens.setdefault(worker.drawn, len(tokens)),
            worker.unchanged,
            worker.row,
            since if since > self._state.beat else 0,
            worker.cut,
        )

    def _late(self) -> frozenset[LateScript]:
        return frozenset(
            LateScript(late.script, late.writer, self._incarnation(late.connection))
            for late in sorted(self._state.late)
        )


_HAS_TIME = frozenset({"idle", "clear", "beating", "warm", "queued warm", "dropping"})
"""Where a worker's connection does not matter before its next step at rest."""
