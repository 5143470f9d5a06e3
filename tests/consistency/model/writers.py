"""
The steps of the writers, one transaction each.

Guarded: INTENT, GUARD, COMMIT, PUBLISH, ACK, DELETE row. Unguarded: GUARD, COMMIT, wait for the
relay, otherwise CLOSE and wait out the views, ACK. Foreign: COMMIT, which is its acknowledgement.
"""

from collections.abc import Callable

from tests.consistency.model.moment import Moment, closed
from tests.consistency.model.scripts import intent, publish
from tests.consistency.model.states import LateScript, Redis, State, Writer, replaced


def steps_of_writers(moment: Moment) -> None:
    """Add every step that a writer can make, or that PostgreSQL makes for it."""
    for index, writer in enumerate(moment.state.writers):
        if moment.config.writers[index].path == "foreign":
            _foreign(moment, index, writer)
        elif moment.config.writers[index].path == "silent":
            _silent(moment, index, writer)
        elif (steps := _STEPS.get(writer.at)) is not None:
            steps(moment, index, writer)


def _step(
    moment: Moment,
    index: int,
    label: str,
    writer: Writer,
    *,
    state: State | None = None,
    helps: bool = False,
) -> None:
    state = moment.state if state is None else state
    state = state._replace(writers=replaced(state.writers, index, writer))
    moment.add(f"W{index} {label}", state, helps=helps)


def _foreign(moment: Moment, index: int, writer: Writer) -> None:
    state = moment.state
    if writer.at == "idle":
        value = state.value + 1
        committed = state._replace(value=value, rows=state.rows | {index})
        done = writer._replace(at="fresh", value=value)
        _step(moment, index, f"COMMIT {value} (foreign)", done, state=committed)
    elif writer.at == "fresh":
        later = state._replace(matured=max(state.matured, writer.value))
        _step(moment, index, "1 s passes", writer._replace(at="matured"), state=later)


def _silent(moment: Moment, index: int, writer: Writer) -> None:
    state = moment.state
    if writer.at == "idle":
        value = state.value + 1
        done = writer._replace(at="unseen", value=value)
        committed = state._replace(value=value)
        _step(moment, index, f"COMMIT {value} (triggers disabled)", done, state=committed)
    elif writer.at == "unseen" and state.control.blocked and moment.views_waited_out():
        seen = writer._replace(at="matured")
        promised = _acknowledged(moment, writer)
        _step(moment, index, "is promised: blocked", seen, state=promised, helps=True)


def _idle(moment: Moment, index: int, writer: Writer) -> None:
    _end_transaction(moment, index, writer)
    then = "intended" if writer.at == "idle" else "guarded"
    if writer.cut or moment.config.writers[index].path == "off":
        _step(moment, index, "INTENT impossible", writer._replace(at=then, guarded=False))
        return
    redis = moment.reached_by(writer.connection)
    address = moment.address()
    if redis is None:
        _step(moment, index, "RECONNECT", writer._replace(connection=address))
        return
    if writer.at == "idle" and writer.connection != address:
        _step(moment, index, "takes a new connection", writer._replace(connection=address))
    if writer.at == "redo" and not moment.agree(
        writer.connection, moment.state.control.incarnation
    ):
        unguarded = writer._replace(at=then, guarded=False)
        _step(moment, index, "meets another incarnation again", unguarded)
        return
    _intent(moment, index, writer, redis, then)


def _intent(moment: Moment, index: int, writer: Writer, redis: Redis, then: str) -> None:
    guarded = writer._replace(at=then, guarded=True)
    unguarded = writer._replace(at=then, guarded=False)
    assert writer.connection is not None
    if not moment.rules.intent_before_commit:
        _step(moment, index, "(no INTENT)", guarded)
        return
    if not moment.accepts(redis, writer.connection.token, "INTENT"):
        _step(moment, index, "INTENT refused: token", unguarded)
        return
    target = moment.config.writers[index].target
    marked = moment.with_server(intent(moment, redis, target, index))
    _step(moment, index, "INTENT", guarded, state=marked)
    faults = moment.state.faults - 1
    if faults >= 0 and "lost" in moment.config.kinds:
        lost = moment.state._replace(faults=faults)
        _step(moment, index, "INTENT lost", unguarded, state=lost)
        unanswered = marked._replace(faults=faults)
        _step(moment, index, "INTENT, reply lost", unguarded, state=unanswered)
    if faults >= 0 and "late" in moment.config.kinds:
        late = moment.state.late | {LateScript("INTENT", index, writer.connection)}
        later = moment.state._replace(faults=faults, late=late)
        _step(moment, index, "INTENT late", unguarded, state=later)


def _guard(moment: Moment, index: int, writer: Writer) -> None:
    """Take the shared lock, then read the control row and compare."""
    _end_transaction(moment, index, writer)
    if any(worker.at.startswith("locked") for worker in moment.state.workers):
        _wait_for_the_stoppable(moment, index, "the lock held by a process")
        return
    if moment.lock_is_wanted:
        if not moment.rules.lock_is_bounded:
            _wait_for_the_stoppable(moment, index, "a request that waits for a process")
        return
    control = moment.state.control
    agree = moment.agree(writer.connection, control.incarnation)
    if writer.guarded and not agree and moment.rules.guard_compares:
        redo = writer._replace(at="redo", guarded=False, connection=None, waits_for=None)
        _step(moment, index, "GUARD: the control row differs", redo)
    else:
        waits = not (writer.guarded or control.open)
        waits_for = moment.open_views() if waits else None
        guarded = writer._replace(at="guarded", waits_for=waits_for)
        kind = "guarded" if writer.guarded else "unguarded"
        _step(moment, index, f"GUARD ({kind})", guarded)


def _wait_for_the_stoppable(moment: Moment, index: int, what: str) -> None:
    label = f"W{index} waits for {what} that can be stopped"
    moment.add(label, moment.state, violation="B1")


def _commit(moment: Moment, index: int, writer: Writer) -> None:
    _end_transaction(moment, index, writer)
    value = moment.state.value + 1
    done = writer._replace(at="committed", value=value)
    _step(moment, index, f"COMMIT {value}", done, state=_committed(moment, index, writer))
    if not (moment.state.faults and "unknown" in moment.config.kinds):
        return
    in_flight = writer._replace(at="in flight")
    state = moment.state._replace(faults=moment.state.faults - 1)
    redis = moment.reached_by(writer.connection)
    if not moment.rules.unknown_outcome_is_asked and redis is not None:
        target = moment.config.writers[index].target
        published = moment.with_server(publish(moment, redis, target, index))
        state = published._replace(faults=moment.state.faults - 1)
    _step(moment, index, "COMMIT: outcome unknown", in_flight, state=state)


def _committed(moment: Moment, index: int, writer: Writer) -> State:
    state = moment.state
    value = state.value + 1
    visible = value if writer.guarded else state.visible
    return state._replace(value=value, visible=visible, rows=state.rows | {index})


def _in_flight(moment: Moment, index: int, writer: Writer) -> None:
    """The server decides; the client then reads the outcome from pg_xact_status."""
    value = moment.state.value + 1
    done = writer._replace(at="committed", value=value)
    state = _committed(moment, index, writer)
    _step(moment, index, f"server commits {value}", done, state=state, helps=True)
    _step(moment, index, "server aborts", writer._replace(at="aborted"), helps=True)


def _after_commit(moment: Moment, index: int, writer: Writer) -> None:
    if not moment.rules.row_outlives_publish and index in moment.state.rows:
        early = moment.state._replace(rows=moment.state.rows - {index})
        _step(moment, index, "DELETE row before PUBLISH", writer, state=early)
    if writer.guarded:
        _publish(moment, index, writer)
    elif not _must_wait(moment, index, writer):
        waiting = writer._replace(at="left to relay")
        _step(moment, index, "ACK at once", waiting, state=_acknowledged(moment, writer))
    elif writer.waits_for is not None:
        _wait_out(moment, index, writer)
    elif index not in moment.state.rows:
        gone = writer._replace(at="gone")
        _step(moment, index, "ACK (relayed)", gone, state=_acknowledged(moment, writer))
    else:
        _close(moment, index, writer)


def _acknowledged(moment: Moment, writer: Writer) -> State:
    newest = max(moment.state.acknowledged, writer.value)
    return moment.state._replace(acknowledged=newest)


def _publish(moment: Moment, index: int, writer: Writer) -> None:
    acknowledged = _acknowledged(moment, writer)
    left = writer._replace(at="left to relay")
    redis = None if writer.cut else moment.reached_by(writer.connection)
    connection = writer.connection
    if redis is None or connection is None:
        _step(moment, index, "PUBLISH impossible, ACK (guarded)", left, state=acknowledged)
        return
    if not moment.accepts(redis, connection.token, "PUBLISH"):
        _step(moment, index, "PUBLISH refused, ACK (guarded)", left, state=acknowledged)
        return
    target = moment.config.writers[index].target
    state = moment.with_server(publish(moment, redis, target, index))
    state = state._replace(acknowledged=acknowledged.acknowledged)
    _step(moment, index, "PUBLISH, ACK", writer._replace(at="published"), state=state)
    faults = moment.state.faults - 1
    if faults >= 0 and "lost" in moment.config.kinds:
        lost = acknowledged._replace(faults=faults)
        _step(moment, index, "PUBLISH lost, ACK (guarded)", left, state=lost)
    if faults >= 0 and "late" in moment.config.kinds:
        late = moment.state.late | {LateScript("PUBLISH", index, connection)}
        later = acknowledged._replace(faults=faults, late=late)
        _step(moment, index, "PUBLISH late, ACK (guarded)", left, state=later)


def _must_wait(moment: Moment, index: int, writer: Writer) -> bool:
    rules = moment.rules
    if not rules.unguarded_waits:
        return False
    if not rules.off_is_unguarded and moment.config.writers[index].path == "off":
        return False
    return rules.found_closed_is_waited_out or writer.waits_for is None


def _close(moment: Moment, index: int, writer: Writer) -> None:
    control = moment.state.control
    state = moment.state
    if control.open:
        if any(worker.at == "beating" for worker in state.workers):
            _wait_for_the_stoppable(moment, index, "the control row locked by a process")
            return
        state = moment.with_control(closed(control))
    closing = writer._replace(at="closing", waits_for=moment.open_views())
    _step(moment, index, "CLOSE", closing, state=state)


def _wait_out(moment: Moment, index: int, writer: Writer) -> None:
    delivered = index not in moment.state.rows
    if delivered or not writer.waits_for or not moment.rules.close_is_waited_out:
        left = writer._replace(at="left to relay")
        state = _acknowledged(moment, writer)
        _step(moment, index, "ACK (views waited out)", left, state=state)


def _delete_row(moment: Moment, index: int, writer: Writer) -> None:
    """Delete only a published row, and never wait for a row that a relay has locked."""
    rows = moment.state.rows
    early = writer.at == "left to relay" and not moment.rules.row_outlives_publish
    if index not in rows or not (writer.at == "published" or early):
        return
    if index in moment.locked_rows():
        return
    state = moment.state._replace(rows=rows - {index})
    _step(moment, index, "DELETE row", writer._replace(at="gone"), state=state, helps=True)


def _end_transaction(moment: Moment, index: int, writer: Writer) -> None:
    """PostgreSQL ends an idle transaction, or one whose client is gone."""
    if writer.at != "idle" and moment.rules.idle_transactions_end:
        ended = writer._replace(at="aborted")
        _step(moment, index, "transaction ended by PostgreSQL", ended, helps=True)


_STEPS: dict[str, Callable[[Moment, int, Writer], None]] = {
    "idle": _idle,
    "redo": _idle,
    "intended": _guard,
    "guarded": _commit,
    "in flight": _in_flight,
    "committed": _after_commit,
    "closing": _wait_out,
    "published": _delete_row,
    "left to relay": _delete_row,
}
