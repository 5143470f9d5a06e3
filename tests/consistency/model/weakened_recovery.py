"""Variants without one rule of the relay, recovery or a second shop."""

from tests.consistency.model.configurations import (
    EVERY_FAULT,
    FOREIGN,
    GUARDED,
    OFF,
    SILENT,
    Configuration,
)
from tests.consistency.model.rules import Rules
from tests.consistency.model.variants import guarded, weakened

_ANY = Configuration(name="", kinds=EVERY_FAULT)
_QUIET = guarded()
_QUIET_OFF = Configuration(name="", writers=(OFF,), faults=0)
_QUIET_FOREIGN = Configuration(name="", writers=(FOREIGN,), faults=0)
_FOREIGN_TWO_WORKERS = Configuration(
    name="", writers=(FOREIGN,), workers=2, stopped_workers=1, faults=0
)
_OFF_TWO_WORKERS = Configuration(name="", writers=(OFF,), workers=2, stopped_workers=1, faults=0)
_TWO_OFF_TWO_WORKERS = Configuration(
    name="", writers=(OFF, OFF), workers=2, off_workers=1, faults=0
)
_OFF_PARTITION = Configuration(name="", writers=(OFF,), kinds=frozenset({"partition"}))
_OFF_FAILOVER = Configuration(name="", writers=(OFF,), kinds=frozenset({"failover", "snapshot"}))
_BOTH_FLUSH = Configuration(name="", writers=(GUARDED, OFF), kinds=frozenset({"flush"}))
_TWO_LEADERS = Configuration(name="", workers=2, kinds=frozenset({"failover"}))
_SILENT = Configuration(name="", writers=(SILENT, SILENT), faults=0)
_TWO_SHOPS = Configuration(name="", faults=0, other_shop=1)

_RELAY = [
    weakened(
        "the relay does not compare incarnations",
        "G1",
        Rules(relay_compares_incarnation=False),
        _OFF_FAILOVER,
    ),
    weakened(
        "rows are dropped before the views are waited out",
        "G1",
        Rules(drop_waits_out_views=False),
        _OFF_PARTITION,
    ),
    weakened(
        "rows are dropped by what was read before the statement",
        "G1",
        Rules(drop_tests_in_its_statement=False),
        _TWO_OFF_TWO_WORKERS,
    ),
    weakened(
        "rows are dropped and no cold recovery demanded",
        "G1",
        Rules(drop_demands_cold=False),
        _OFF_PARTITION,
    ),
    weakened("trust ignores the beat", "G1F", Rules(trust_needs_beat=False), _QUIET_FOREIGN),
    weakened(
        "a beat is written without looking for rows",
        "G1F",
        Rules(beat_looks_for_rows=False),
        _QUIET_FOREIGN,
    ),
    weakened(
        "a beat does not count rows that others have locked",
        "G1F",
        Rules(beat_counts_locked_rows=False),
        _FOREIGN_TWO_WORKERS,
    ),
    weakened(
        "a beat is stamped at the end of its round",
        "G1F",
        Rules(beat_is_stamped_at_start=False),
        _QUIET_FOREIGN,
    ),
    weakened(
        "foreign rows count as guarded",
        "G1F",
        Rules(foreign_rows_are_unguarded=False),
        _QUIET_FOREIGN,
    ),
    weakened(
        "a beat is written in a transaction that stays open",
        "B1",
        Rules(beat_is_one_statement=False),
        Configuration(name="", writers=(FOREIGN, OFF), faults=0),
    ),
]

_RECOVERY = [
    weakened("cold recovery keeps the epoch", "G1", Rules(epoch_is_new=False), _ANY),
    weakened("OPEN cold takes no lock", "L1", Rules(open_takes_lock=False), _ANY),
    weakened(
        "OPEN cold without the 600 ms",
        "G1",
        Rules(recovery_waits_out_views=False),
        guarded("failover", "snapshot"),
    ),
    weakened(
        "a leader's CLOSE does not compare seq",
        None,
        Rules(close_compares_seq=False),
        guarded("flush", "late", faults=2),
    ),
    weakened(
        "cold recovery without CLOSE",
        "G1",
        Rules(recovery_closes=False),
        guarded("failover", "snapshot"),
    ),
    weakened("OPEN does not compare seq", "G1", Rules(open_compares_seq=False), _TWO_LEADERS),
    weakened(
        "OPEN warm before the rows are delivered",
        "G1",
        Rules(warm_needs_rows_delivered=False),
        _QUIET_OFF,
    ),
    weakened(
        "OPEN warm does not count rows that others have locked",
        "G1",
        Rules(warm_counts_locked_rows=False),
        _OFF_TWO_WORKERS,
    ),
    weakened(
        "OPEN waits for the lock without a limit",
        "B1",
        Rules(lock_is_bounded=False),
        _BOTH_FLUSH,
    ),
    weakened(
        "TOKEN is written while the lock is held",
        "B1",
        Rules(open_is_one_statement=False),
        guarded("flush"),
    ),
    weakened(
        "markers of dead transactions stay", "STUCK", Rules(markers_are_cleaned=False), _QUIET
    ),
    weakened(
        "idle transactions are never ended",
        "STUCK",
        Rules(idle_transactions_end=False),
        guarded("flush"),
    ),
    weakened(
        "idle transactions of a stopped relay are never ended",
        "STUCK",
        Rules(idle_transactions_end=False),
        _FOREIGN_TWO_WORKERS,
    ),
]

_TRIGGERS = [
    weakened("a blocked cache opens", "G1", Rules(blocked_refuses_open=False), _SILENT),
    weakened("a blocked cache opens warm", "G1", Rules(block_demands_cold=False), _SILENT),
]

_SHOPS = [
    weakened(
        "two shops share their markers",
        "L1",
        Rules(control_keys_carry_shop=False),
        _TWO_SHOPS,
    ),
    weakened("two shops share cl:token", "STUCK", Rules(token_carries_shop=False), _TWO_SHOPS),
    weakened("an epoch is a counter", "SHOP", Rules(epoch_is_random=False), _TWO_SHOPS),
]

WEAKENED_RECOVERY = [*_RELAY, *_RECOVERY, *_TRIGGERS, *_SHOPS]
