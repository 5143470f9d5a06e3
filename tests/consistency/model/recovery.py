"""
The leader of a recovery: CLOSE, wait, TOKEN, OPEN cold; or OPEN warm.

OPEN waits at most 50 ms for the exclusive lock: then PostgreSQL ends the request, and the worker
repeats it. A writer behind it waits that long, and never for a process that can be stopped.
"""

from tests.consistency.model.moment import Moment, closed
from tests.consistency.model.states import (
    FRESH,
    Control,
    Incarnation,
    LateScript,
    Redis,
    Worker,
)


def block(moment: Moment, index: int, worker: Worker) -> None:
    """BLOCK while triggers are disabled: CLOSE, no OPEN, and the next one is cold; then UNBLOCK."""
    control = moment.state.control
    unseen = any(writer.at == "unseen" for writer in moment.state.writers)
    if unseen and not control.blocked:
        cold = control.cold_next or moment.rules.block_demands_cold
        blocked = closed(control)._replace(blocked=True, cold_next=cold)
    elif control.blocked and not unseen:
        blocked = control._replace(blocked=False, seq=FRESH)
    else:
        return
    state = moment.with_control(blocked)
    label = "BLOCK" if blocked.blocked else "UNBLOCK"
    moment.add_of_worker(index, label, state.workers[index], state=state)


def _is_blocked(moment: Moment) -> bool:
    return moment.state.control.blocked and moment.rules.blocked_refuses_open


def begin_recovery(moment: Moment, index: int, worker: Worker) -> None:
    """Lead a recovery: the connection is to another incarnation, or a cold one is demanded."""
    control = moment.state.control
    agree = moment.agree(worker.connection, control.incarnation)
    if (agree and not control.cold_next) or worker.connection != moment.address():
        return
    if _is_blocked(moment):
        return
    if moment.rules.close_compares_seq:
        close_for_recovery(moment, index, worker)
    else:
        deciding = worker._replace(at="deciding")
        moment.add_of_worker(index, "finds another incarnation", deciding)


def close_for_recovery(moment: Moment, index: int, worker: Worker) -> None:
    """CLOSE; from here on the control row must not change until OPEN."""
    control = moment.state.control
    leading = worker._replace(at="waiting", unchanged=True)
    if not moment.rules.recovery_closes:
        moment.add_of_worker(index, "starts a recovery", leading)
    elif control.open:
        state = moment.with_control(closed(control))
        moment.add_of_worker(index, "CLOSE", leading, state=state)
    else:
        moment.add_of_worker(index, "finds it CLOSED", leading)


def write_token(moment: Moment, index: int, worker: Worker, redis: Redis | None) -> None:
    """Wait 600 ms, then write a new TOKEN."""
    waited = moment.views_waited_out() or not moment.rules.recovery_waits_out_views
    if not waited:
        return
    if worker.at == "waiting" and not moment.rules.open_is_one_statement:
        if not moment.lock_is_held and not _lock_is_taken(moment):
            moment.add_of_worker(index, "LOCK exclusive", worker._replace(at="locked"))
        return
    if redis is not None and not worker.cut:
        _token(moment, index, worker, redis)


def _token(moment: Moment, index: int, worker: Worker, redis: Redis) -> None:
    token = _drawn(moment, worker)
    then = "locked, ready" if worker.at == "locked" else "ready"
    connection = Incarnation(redis.run, token)
    ready = worker._replace(at=then, drawn=token, connection=connection)
    if moment.rules.token_exists:
        redis = redis._replace(token=token)
    moment.add_of_worker(index, "TOKEN", ready, state=moment.with_server(redis))
    if moment.state.faults and "late" in moment.config.kinds and moment.rules.token_exists:
        kept = 0 if moment.rules.every_attempt_draws_token else token
        late = moment.state.late | {LateScript("TOKEN", -1, connection)}
        state = moment.state._replace(faults=moment.state.faults - 1, late=late)
        moment.add_of_worker(
            index, "TOKEN late", worker._replace(drawn=kept), state=state, helps=False
        )


def _drawn(moment: Moment, worker: Worker) -> int:
    rules = moment.rules
    if not rules.token_exists:
        return 0
    if not rules.every_attempt_draws_token and worker.drawn:
        return worker.drawn
    return FRESH if rules.recovery_draws_token else moment.state.control.incarnation.token


def decide_warm(
    moment: Moment, index: int, worker: Worker, redis: Redis, connection: Incarnation
) -> None:
    """Call OPEN warm: the incarnation is the same, and no cold recovery is demanded."""
    control = moment.state.control
    if control.open or control.cold_next or _is_blocked(moment):
        return
    if not moment.agree(connection, control.incarnation):
        return
    if moment.accepts(redis, connection.token, "WARM") and _rows_are_delivered(moment):
        decided = worker._replace(at="warm", unchanged=True)
        moment.add_of_worker(index, "finds its own token, CLOSED", decided)


def _rows_are_delivered(moment: Moment) -> bool:
    rules, state = moment.rules, moment.state
    if not rules.warm_needs_rows_delivered:
        return True
    left = {row for row in state.rows if not moment.is_guarded(row)}
    if not rules.warm_counts_locked_rows:
        left -= moment.locked_rows()
    return not left


def _lock_is_taken(moment: Moment) -> bool:
    return any(worker.at.startswith("locked") for worker in moment.state.workers)


def call_open(moment: Moment, index: int, worker: Worker) -> None:
    """One call: the exclusive lock within 50 ms, compare `seq`, set. PostgreSQL runs it alone."""
    rules = moment.rules
    queued = worker.at.startswith("queued")
    warm = worker.at.endswith("warm")
    if moment.lock_is_held and rules.open_takes_lock:
        if not queued:
            waiting = worker._replace(at="queued warm" if warm else "queued")
            moment.add_of_worker(index, "OPEN waits for the lock", waiting)
        elif rules.lock_is_bounded:
            back = worker._replace(at="warm" if warm else "ready")
            moment.add_of_worker(index, "lock_timeout", back, by_postgres=True)
        return
    idle = Worker("idle", worker.connection, 0, False, None, worker.since, worker.cut)
    if not worker.unchanged and rules.open_compares_seq:
        moment.add_of_worker(
            index, "OPEN refused: the control row changed", idle, by_postgres=queued
        )
    elif _is_blocked(moment):
        moment.add_of_worker(index, "OPEN refused: blocked", idle, by_postgres=queued)
    elif warm and not _rows_are_delivered(moment):
        moment.add_of_worker(index, "OPEN warm refused: rows are left", idle, by_postgres=queued)
    else:
        state = moment.with_control(_opened(moment, worker, warm=warm))
        label = "OPEN warm" if warm else "OPEN cold"
        moment.add_of_worker(index, label, idle, state=state, by_postgres=queued)


def _opened(moment: Moment, worker: Worker, *, warm: bool) -> Control:
    control = moment.state.control
    if warm:
        return control._replace(open=True, seq=FRESH)
    assert worker.connection is not None
    epoch = FRESH if moment.rules.epoch_is_new else control.epoch
    return Control(epoch, worker.connection, True, FRESH, False, control.blocked)
