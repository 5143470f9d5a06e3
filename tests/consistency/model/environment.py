"""
Steps outside keyshop: time, eviction, late scripts, faults, partitions, the other shop.

Expiry of a lease and eviction of volatile keys are unlimited; faults have a budget.
"""

from tests.consistency.model.moment import KNOWS_ENOUGH, UNDECIDED, Moment
from tests.consistency.model.scripts import intent, publish
from tests.consistency.model.states import (
    FRESH,
    OTHER_SHOP,
    LateScript,
    Reader,
    Redis,
    State,
    Stored,
    Worker,
    Writer,
    replaced,
)

_NO_MARKERS: frozenset[int] = frozenset()
_EMPTY = Redis(FRESH, 0, None, 0, _NO_MARKERS, _NO_MARKERS, 0)
_NEEDS_NO_REDIS = frozenset(
    {"published", "left to relay", "gone", "aborted", "closing", "fresh", "matured"}
)


def steps_of_environment(moment: Moment) -> None:
    """Add every step that the environment can make."""
    _passing_time(moment, moment.state.redis, "")
    if moment.state.old is not None:
        _passing_time(moment, moment.state.old, " (old master)")
    for late in moment.state.late:
        _late_script(moment, late)
    _partitions(moment)
    if moment.state.faults:
        _faults(moment)
    _other_shop(moment)


def _passing_time(moment: Moment, redis: Redis, where: str) -> None:
    changed = moment.with_server
    if redis.lease:
        moment.add(f"lease expires{where}", changed(redis._replace(lease=0)), helps=True)
    if not where and redis.stored:
        moment.add("value evicted", changed(redis._replace(stored=None)), helps=True)
    if not where and redis.generation:
        moment.add("generation evicted", changed(redis._replace(generation=0)))
    marked = redis.key_markers | redis.group_markers
    if marked and not moment.rules.markers_without_ttl:
        bare = redis._replace(key_markers=_NO_MARKERS, group_markers=_NO_MARKERS)
        moment.add(f"markers evicted{where}", changed(bare))
    if marked and moment.rules.markers_are_cleaned:
        _clean_markers(moment, redis, where, marked - {OTHER_SHOP})


def _clean_markers(moment: Moment, redis: Redis, where: str, marked: frozenset[int]) -> None:
    """Remove markers of transactions that are finished according to pg_xact_status."""
    for writer in marked:
        if moment.state.writers[writer].at not in UNDECIDED:
            rest = _without_marker(redis, writer)
            label = f"marker of W{writer} cleaned{where}"
            moment.add(label, moment.with_server(rest), helps=True)


def _without_marker(redis: Redis, writer: int) -> Redis:
    return redis._replace(
        key_markers=redis.key_markers - {writer}, group_markers=redis.group_markers - {writer}
    )


def _late_script(moment: Moment, late: LateScript) -> None:
    state = moment.state
    redis = moment.reached_by(late.connection)
    rest = state.late - {late}
    if redis is None:
        label = "late script lost with its server"
        moment.add(label, state._replace(late=rest), helps=True)
        return
    if late.script == "TOKEN":
        redis = redis._replace(token=late.connection.token)
    elif moment.accepts(redis, late.connection.token, late.script):
        script = intent if late.script == "INTENT" else publish
        redis = script(moment, redis, moment.config.writers[late.writer].target, late.writer)
    label = f"late {late.script} of W{late.writer} runs"
    moment.add(label, moment.with_server(redis)._replace(late=rest), helps=True)


def _partitions(moment: Moment) -> None:
    """PARTITION: a process loses Redis but not PostgreSQL; later the partition heals."""
    state = moment.state
    for index, reader in enumerate(state.readers):
        if reader.cut or _may_cut(moment):
            connection = reader.connection if reader.cut else None
            turned = reader._replace(cut=not reader.cut, connection=connection)
            changed = state._replace(readers=replaced(state.readers, index, turned))
            _partition(moment, f"R{index}", changed, heals=reader.cut)
    for index, writer in enumerate(state.writers):
        if writer.cut or (_may_cut(moment) and _needs_redis(moment, index, writer)):
            connection = writer.connection if writer.cut else None
            turned_writer = writer._replace(cut=not writer.cut, connection=connection)
            changed = state._replace(writers=replaced(state.writers, index, turned_writer))
            _partition(moment, f"W{index}", changed, heals=writer.cut)
    for index, worker in enumerate(state.workers[: moment.config.workers_with_redis]):
        if worker.cut or _may_cut(moment):
            keeps = worker.cut or worker.at in KNOWS_ENOUGH
            connection = worker.connection if keeps else None
            turned_worker = worker._replace(cut=not worker.cut, connection=connection)
            changed = state._replace(workers=replaced(state.workers, index, turned_worker))
            _partition(moment, f"L{index}", changed, heals=worker.cut)


def _may_cut(moment: Moment) -> bool:
    return moment.state.faults > 0 and "partition" in moment.config.kinds


def _needs_redis(moment: Moment, index: int, writer: Writer) -> bool:
    guarded = moment.config.writers[index].path == "guarded"
    return guarded and writer.at not in _NEEDS_NO_REDIS


def _partition(moment: Moment, who: str, state: State, *, heals: bool) -> None:
    if heals:
        moment.add(f"{who} PARTITION heals", state, helps=True)
    else:
        moment.add(f"{who} PARTITION", state._replace(faults=state.faults - 1))


def _faults(moment: Moment) -> None:
    kinds = moment.config.kinds
    faulty = moment.state._replace(faults=moment.state.faults - 1)
    if "flush" in kinds:
        flushed = _EMPTY._replace(run=faulty.redis.run)
        moment.add("FLUSHALL", faulty._replace(redis=flushed))
    if "snapshot" in kinds and faulty.snapshot is None:
        moment.add("BGSAVE", moment.state._replace(snapshot=faulty.redis._replace(run=0)))
    if not kinds & {"restart", "snapshot", "failover"}:
        return
    if kinds & {"restart", "failover"}:
        _new_server(moment, faulty, _EMPTY, "empty")
    if faulty.snapshot is not None:
        restored = faulty.snapshot._replace(run=FRESH)
        _new_server(moment, faulty, restored, "from the old snapshot")


def _new_server(moment: Moment, faulty: State, redis: Redis, what: str) -> None:
    kinds = moment.config.kinds
    if kinds & {"restart", "snapshot"}:
        moment.add(f"RESTART {what}", _disconnected(faulty)._replace(redis=redis))
    if "failover" in kinds and faulty.old is None:
        failed_over = faulty._replace(redis=redis, old=faulty.redis)
        moment.add(f"FAILOVER, the new master {what}", failed_over)


def _disconnected(state: State) -> State:
    """Break every connection to the server that restarts."""

    def loses(process: Reader | Writer | Worker) -> bool:
        connection = process.connection
        if isinstance(process, Worker) and process.at in KNOWS_ENOUGH:
            return False
        return connection is not None and (state.old is None or connection.run != state.old.run)

    return state._replace(
        readers=tuple(r._replace(connection=None) if loses(r) else r for r in state.readers),
        writers=tuple(w._replace(connection=None) if loses(w) else w for w in state.writers),
        workers=tuple(w._replace(connection=None) if loses(w) else w for w in state.workers),
    )


def _other_shop(moment: Moment) -> None:
    """A second shop, B, on the same Redis makes any step that its keyshop may make."""
    state, rules = moment.state, moment.rules
    redis = state.redis
    if state.other_shop:
        _steps_of_b(moment, redis, state._replace(other_shop=state.other_shop - 1))
    if not rules.token_carries_shop and redis.token != OTHER_SHOP:
        taken = state._replace(redis=redis._replace(token=OTHER_SHOP))
        moment.add("B TOKEN", taken, helps=True)
    if OTHER_SHOP in redis.key_markers:
        markers = redis.key_markers - {OTHER_SHOP}
        published = redis._replace(stored=None, lease=0, key_markers=markers)
        moment.add("B PUBLISH", state._replace(redis=published), helps=True)


def _steps_of_b(moment: Moment, redis: Redis, state: State) -> None:
    separate = moment.rules.control_keys_carry_shop
    epoch = OTHER_SHOP if moment.rules.epoch_is_random else state.control.epoch
    lease = redis.lease if separate else 0
    if redis.generation:
        stored = Stored(OTHER_SHOP, epoch, redis.generation)
        moment.add("B FILL", state._replace(redis=redis._replace(stored=stored, lease=lease)))
    generation = redis.generation if separate else 0
    bare = redis._replace(stored=None, lease=lease, generation=generation)
    moment.add("B DEL value", state._replace(redis=bare))
    if separate:
        return
    markers = redis.key_markers | {OTHER_SHOP}
    intended = redis._replace(stored=None, lease=0, key_markers=markers)
    moment.add("B INTENT", state._replace(redis=intended))
    for writer in (redis.key_markers | redis.group_markers) - {OTHER_SHOP}:
        label = f"B drops the unknown marker of W{writer}"
        moment.add(label, state._replace(redis=_without_marker(redis, writer)))
