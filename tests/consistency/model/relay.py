"""
The relay: ROUND begins, LOCK row, PUBLISH, DELETE; LOOK finds none left, BEAT.

A beat means: a round that began at this time delivered every visible unguarded row, and none was
left, not even one that another worker had locked.
"""

from tests.consistency.model.moment import Moment, closed
from tests.consistency.model.scripts import publish
from tests.consistency.model.states import FRESH, Redis, Worker


def drop_rows(moment: Moment, index: int, worker: Worker) -> None:
    """Without Redis, one transaction demands a cold recovery, then deletes the rows."""
    state = moment.state
    if state.control.open or not state.rows or not _are_views_waited_out(moment):
        return
    if not moment.rules.drop_tests_in_its_statement:
        decided = worker._replace(at="dropping")
        moment.add_of_worker(index, "finds it CLOSED for long enough", decided)
        return
    demand_cold(moment, index, worker)


def demand_cold(moment: Moment, index: int, worker: Worker) -> None:
    """The transaction that demands a cold recovery where it is CLOSED, and deletes the rows."""
    dropped = state = moment.state
    control = state.control
    if control.open:
        return
    if not control.cold_next and moment.rules.drop_demands_cold:
        dropped = moment.with_control(control._replace(cold_next=True, seq=FRESH))
    dropped = dropped._replace(rows=state.rows & moment.locked_rows())
    done = dropped.workers[index]._replace(at="idle")
    label = "demands a cold recovery, DELETE rows undelivered"
    moment.add_of_worker(index, label, done, state=dropped)


def _are_views_waited_out(moment: Moment) -> bool:
    return moment.views_waited_out() or not moment.rules.drop_waits_out_views


def lock_row(moment: Moment, index: int, worker: Worker) -> None:
    """FOR UPDATE SKIP LOCKED."""
    for row in sorted(moment.state.rows - moment.locked_rows()):
        taken = worker._replace(at="took", row=row)
        moment.add_of_worker(index, f"LOCK row of W{row}", taken)


def deliver_row(moment: Moment, index: int, worker: Worker, redis: Redis | None) -> None:
    """PUBLISH, then DELETE; after PostgreSQL ended the transaction, only PUBLISH is possible."""
    connection = worker.connection
    if worker.at == "delivered":
        _delete_row(moment, index, worker)
    elif redis is not None and connection is not None:
        _publish_row(moment, index, worker, redis, connection.token)
    if worker.at != "ended" and moment.rules.idle_transactions_end:
        ended = worker._replace(at="idle", row=None)
        if worker.at == "took":
            ended = worker._replace(at="ended")
        label = "transaction ended by PostgreSQL"
        moment.add_of_worker(index, label, ended, by_postgres=True)


def _delete_row(moment: Moment, index: int, worker: Worker) -> None:
    """DELETE, in the transaction that compares the server with the control row."""
    done = worker._replace(at="idle", row=None)
    incarnation = moment.state.control.incarnation
    compares = moment.rules.relay_compares_incarnation
    if compares and not moment.agree(worker.connection, incarnation):
        moment.add_of_worker(index, "keeps the row: another server is named", done)
        return
    state = moment.state._replace(rows=moment.state.rows - {worker.row})
    moment.add_of_worker(index, f"DELETE row of W{worker.row}", done, state=state)


def _publish_row(moment: Moment, index: int, worker: Worker, redis: Redis, token: int) -> None:
    row = worker.row
    if row is None or not moment.accepts(redis, token, "PUBLISH"):
        return
    state = moment.with_server(publish(moment, redis, moment.config.writers[row].target, row))
    then = worker._replace(at="delivered")
    if worker.at == "ended":
        then = worker._replace(at="idle", row=None)
    moment.add_of_worker(index, f"PUBLISH row of W{row}", then, state=state)


def close_for_old_row(moment: Moment, index: int, worker: Worker) -> None:
    """CLOSE: a foreign writer's row is older than 1 s."""
    state = moment.state
    old = any(state.writers[row].at == "matured" for row in state.rows)
    if old and state.control.open:
        shut = moment.with_control(closed(state.control))
        moment.add_of_worker(index, "CLOSE: an old row", shut.workers[index], state=shut)


def watch_round(moment: Moment, index: int, worker: Worker) -> None:
    """Note the time at which a round begins; at its end, look for rows, locked ones too."""
    state, rules = moment.state, moment.rules
    now = moment.newest_foreign()
    if now > max(worker.since, state.beat) and rules.beat_is_stamped_at_start:
        moment.add_of_worker(index, "ROUND begins", worker._replace(since=now))
    if worker.since <= state.beat and rules.beat_is_stamped_at_start:
        return
    left = {row for row in state.rows if not moment.is_guarded(row)}
    if not rules.beat_counts_locked_rows:
        left -= moment.locked_rows()
    if not left or not rules.beat_looks_for_rows:
        moment.add_of_worker(index, "LOOK finds none left", worker._replace(at="clear"))


def beat(moment: Moment, index: int, worker: Worker) -> None:
    """BEAT: stamp the round's beginning. It is one statement, so that it locks no row for long."""
    done = worker._replace(at="idle", since=0)
    if worker.at == "clear" and not moment.rules.beat_is_one_statement:
        moment.add_of_worker(index, "BEAT, not yet committed", worker._replace(at="beating"))
        return
    state = moment.state
    since = worker.since
    if not moment.rules.beat_is_stamped_at_start:
        since = moment.newest_foreign()
    state = state._replace(beat=max(state.beat, since))
    moment.add_of_worker(index, "BEAT", done, state=state)
