"""The steps of the workers: each is a relay, and leads a recovery when one is needed."""

from tests.consistency.model.moment import Moment
from tests.consistency.model.recovery import (
    begin_recovery,
    block,
    call_open,
    close_for_recovery,
    decide_warm,
    write_token,
)
from tests.consistency.model.relay import (
    beat,
    close_for_old_row,
    deliver_row,
    demand_cold,
    drop_rows,
    lock_row,
    watch_round,
)
from tests.consistency.model.states import Redis, Worker


def steps_of_workers(moment: Moment) -> None:
    """Add every step that a worker can make, or that PostgreSQL makes for it."""
    for index, worker in enumerate(moment.state.workers):
        redis = moment.reached_by(worker.connection)
        if worker.at == "idle":
            _idle(moment, index, worker, redis)
        else:
            restarted = Worker("idle", None, 0, False, None, 0, worker.cut)
            moment.add_of_worker(index, "restarted", restarted)
            _continue_work(moment, index, worker, redis)


def _idle(moment: Moment, index: int, worker: Worker, redis: Redis | None) -> None:
    address = moment.address()
    if not worker.cut and worker.connection != address:
        moment.add_of_worker(index, "RECONNECT", worker._replace(connection=address))
    if worker.cut:
        drop_rows(moment, index, worker)
    block(moment, index, worker)
    if moment.config.has_foreign_writers:
        watch_round(moment, index, worker)
        close_for_old_row(moment, index, worker)
    if redis is None or worker.connection is None:
        return
    lock_row(moment, index, worker)
    decide_warm(moment, index, worker, redis, worker.connection)
    begin_recovery(moment, index, worker)


def _continue_work(moment: Moment, index: int, worker: Worker, redis: Redis | None) -> None:
    if worker.at in {"took", "delivered", "ended"}:
        deliver_row(moment, index, worker, redis)
    elif worker.at in {"clear", "beating"}:
        beat(moment, index, worker)
    elif worker.at == "dropping":
        demand_cold(moment, index, worker)
    elif worker.at == "deciding":
        close_for_recovery(moment, index, worker)
    elif worker.at in {"waiting", "locked"}:
        write_token(moment, index, worker, redis)
    else:
        call_open(moment, index, worker)
