"""The delay for visitors when Redis stops answering, and the time until there are hits again."""

import os
import signal
import threading
import time
from typing import Final

from bench.cache.stage import Stage
from bench.load import Figures, Visitors
from bench.machine import keyshop_api
from bench.report import Goal, percentile
from bench.take_turns import repeat

_VISITORS: Final = 2  # so few that none waits for another
_STOP_AFTER: Final = 0.3  # seconds after the visitors' start
_MAX_ADDED: Final = 60.0  # ms that a read may wait for Redis
_BACK_WITHIN: Final = 1.0  # seconds


def stop_redis(stage: Stage, targets: list[str]) -> None:
    """Read with a warm cache, without one, and while Redis is stopped; then wait for hits."""
    report, number = stage.machine.report, 1_000 if stage.machine.quick else 3_000
    requested = repeat(targets, number)
    pid = stage.redis_pid
    with Visitors(stage.machine) as visitors:
        with keyshop_api(stage.machine, stage.database_url) as (_, port):
            visitors.try_all(port, targets, connections=_VISITORS)
            without = visitors.try_all(port, requested, connections=_VISITORS)
        visitors.try_all(stage.port, targets, connections=_VISITORS)
        warm = visitors.try_all(stage.port, requested, connections=_VISITORS)
        timer = threading.Timer(_STOP_AFTER, os.kill, (pid, signal.SIGSTOP))
        try:
            timer.start()
            stopped = visitors.try_all(stage.port, requested * 2, connections=_VISITORS)
            timer.join()
            longer = visitors.try_all(stage.port, requested, connections=_VISITORS)
        finally:
            timer.cancel()
            os.kill(pid, signal.SIGCONT)
        begun = time.monotonic()
        stage.wait_for_hits(targets[0])
        back = time.monotonic() - begun
    report.title(
        f"cache, Redis stopped (SIGSTOP) {_STOP_AFTER} s after {_VISITORS} visitors began to"
        " read one game after the other, ms"
    )
    report.line("", "p50", "p99", "max", "above 60 ms", "failed", "seconds")
    for name, figures in (
        ("warm", warm),
        ("without a cache", without),
        ("while it stops", stopped),
        ("when it has been away for a while", longer),
    ):
        report.line(name, *_shown(figures), len(figures.refused), figures.seconds)
    failed = len(stopped.refused) + len(longer.refused)
    added = max(stopped.milliseconds) - max(without.milliseconds)
    report.goals(
        Goal(text="  failed requests", value=failed, most=0),
        Goal(
            text="  longest wait above the longest without",
            value=added,
            most=_MAX_ADDED,
            unit=" ms",
        ),
        Goal(text="  hits again after SIGCONT", value=back, most=_BACK_WITHIN, unit=" s"),
    )


def _shown(figures: Figures) -> tuple[float, ...]:
    times = figures.milliseconds
    late = sum(spent > _MAX_ADDED for spent in times)
    return percentile(times, 0.5), percentile(times, 0.99), max(times), late
