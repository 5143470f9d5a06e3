"""
The protocol with one rule taken away, and the promise that breaks without it.

`breaks=None` marks a rule that is redundant: the search finds nothing, another rule covers for it.
"""

import msgspec

from tests.consistency.model.configurations import (
    EVERY_FAULT,
    FOREIGN,
    GUARDED,
    GUARDED_GROUP,
    OFF,
    Configuration,
    Fault,
)
from tests.consistency.model.rules import Rules
from tests.consistency.model.search import Outcome, search


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A weakened protocol, where it is searched, and what must be found."""

    name: str
    configuration: Configuration
    breaks: str | None

    def search(self) -> Outcome:
        """Search until the expected violation; all of it, where none is expected."""
        progress = self.breaks in {None, "STUCK"}
        return search(self.configuration, until=self.breaks, progress=progress)

    def is_found(self, outcome: Outcome) -> bool:
        """Say whether the search found what it should."""
        if self.breaks is None:
            return not outcome.violations
        return self.breaks in outcome.violations


def _variant(name: str, breaks: str | None, rules: Rules, configuration: Configuration) -> Variant:
    weakened = msgspec.structs.replace(configuration, name=name, rules=rules)
    return Variant(name=name, configuration=weakened, breaks=breaks)


def _kinds(*kinds: Fault) -> frozenset[Fault]:
    return frozenset(kinds)


def _guarded(*kinds: Fault, faults: int = 1) -> Configuration:
    return Configuration(name="", faults=faults if kinds else 0, kinds=_kinds(*kinds))


_ANY = Configuration(name="", kinds=EVERY_FAULT)
_QUIET = _guarded()
_QUIET_GROUP = Configuration(name="", writers=(GUARDED_GROUP,), faults=0)
_QUIET_OFF = Configuration(name="", writers=(OFF,), faults=0)
_TWO_OFF = Configuration(name="", writers=(OFF, OFF), faults=0)
_QUIET_FOREIGN = Configuration(name="", writers=(FOREIGN,), faults=0)
_FOREIGN_TWO_WORKERS = Configuration(
    name="", writers=(FOREIGN,), workers=2, stopped_workers=1, faults=0
)
_OFF_TWO_WORKERS = Configuration(name="", writers=(OFF,), workers=2, stopped_workers=1, faults=0)
_TWO_OFF_TWO_WORKERS = Configuration(
    name="", writers=(OFF, OFF), workers=2, off_workers=1, faults=0
)
_OFF_ANY = Configuration(name="", writers=(OFF,))
_OFF_PARTITION = Configuration(name="", writers=(OFF,), kinds=_kinds("partition"))
_OFF_FAILOVER = Configuration(name="", writers=(OFF,), kinds=_kinds("failover", "snapshot"))
_BOTH_FLUSH = Configuration(name="", writers=(GUARDED, OFF), kinds=_kinds("flush"))
_BOTH_LATE = Configuration(name="", writers=(GUARDED, OFF), kinds=_kinds("flush", "late"))
_TWO_LEADERS = Configuration(name="", workers=2, kinds=_kinds("failover"))
_TWO_SHOPS = Configuration(name="", faults=0, other_shop=1)
_UNCHECKED = _guarded("flush", "lost", "late", faults=2)

_TOKENS = [
    _variant("there is no cl:token", "L1", Rules(token_exists=False), _guarded("flush")),
    _variant(
        "there is no cl:token, and PUBLISH fails",
        "G1",
        Rules(token_exists=False),
        _guarded("flush", "lost", faults=2),
    ),
    _variant(
        "the token is read at connect, not by scripts",
        "L1",
        Rules(scripts_check_token=False),
        _guarded("flush"),
    ),
    _variant("MGET ignores the token", None, Rules(get_checks_token=False), _UNCHECKED),
    _variant("ACQUIRE ignores the token", None, Rules(acquire_checks_token=False), _UNCHECKED),
    _variant("FILL ignores the token", None, Rules(fill_checks_token=False), _UNCHECKED),
    _variant(
        "neither ACQUIRE nor FILL looks at the token",
        "L1",
        Rules(acquire_checks_token=False, fill_checks_token=False),
        _UNCHECKED,
    ),
    _variant(
        "no reading script looks at the token",
        "L1",
        Rules(acquire_checks_token=False, fill_checks_token=False, get_checks_token=False),
        _UNCHECKED,
    ),
    _variant("INTENT ignores the token", None, Rules(intent_checks_token=False), _UNCHECKED),
    _variant("PUBLISH ignores the token", None, Rules(publish_checks_token=False), _BOTH_LATE),
    _variant(
        "an incarnation is the token alone, without run_id",
        "G1",
        Rules(incarnation_has_run_id=False),
        _ANY,
    ),
    _variant(
        "cold recovery writes the same token again",
        "L1",
        Rules(recovery_draws_token=False),
        _UNCHECKED,
    ),
    _variant(
        "TOKEN is repeated with the same token",
        "L1",
        Rules(every_attempt_draws_token=False),
        _guarded("flush", "late", faults=3),
    ),
]

_READERS = [
    _variant("trust is tested after the reply only", "G1", Rules(trusted_before=False), _QUIET_OFF),
    _variant("trust is tested before the command only", None, Rules(trusted_after=False), _OFF_ANY),
    _variant("FILL needs no lease", "G1", Rules(fill_needs_lease=False), _QUIET),
    _variant(
        "FILL does not compare the generation",
        "G1",
        Rules(fill_compares_generation=False),
        _QUIET_GROUP,
    ),
    _variant(
        "FILL stores under the current generation",
        "G1",
        Rules(fill_keeps_generation=False),
        _QUIET_GROUP,
    ),
    _variant("a generation is a counter", "L1", Rules(generation_is_random=False), _QUIET_GROUP),
    _variant(
        "FILL does not compare view and connection",
        None,
        Rules(fill_compares_view=False),
        _guarded("restart", "snapshot", "flush"),
    ),
    _variant(
        "FILL stores under the tag of the current view",
        "G1",
        Rules(fill_keeps_tag=False, fill_compares_view=False),
        _guarded("restart", "snapshot"),
    ),
    _variant(
        "ACQUIRE ignores markers of the key",
        "L1",
        Rules(acquire_sees_key_markers=False),
        _QUIET,
    ),
    _variant(
        "neither ACQUIRE nor FILL sees markers of the key",
        "L1",
        Rules(acquire_sees_key_markers=False, fill_sees_markers=False),
        _QUIET,
    ),
    _variant(
        "neither ACQUIRE nor FILL sees markers of the group",
        "L1",
        Rules(acquire_sees_group_markers=False, fill_sees_markers=False),
        _QUIET_GROUP,
    ),
    _variant(
        "a joiner compares the epoch, not seq",
        "G1",
        Rules(joiner_compares_seq=False),
        _QUIET_OFF,
    ),
    _variant(
        "a joiner needs no trust when it joins",
        "G1F",
        Rules(joiner_trusts_before=False),
        _QUIET_FOREIGN,
    ),
    _variant(
        "a joiner needs no trust after FILL's reply",
        "G1",
        Rules(joiner_trusts_after=False),
        _QUIET_OFF,
    ),
    _variant(
        "a joiner does not wait for FILL's reply",
        "G1",
        Rules(joiner_waits_for_fill=False),
        _QUIET,
    ),
]

_WRITERS = [
    _variant(
        "there is no INTENT: delete after commit",
        "L1",
        Rules(intent_before_commit=False),
        _QUIET,
    ),
    _variant("markers have a TTL", "L1", Rules(markers_without_ttl=False), _QUIET),
    _variant("GUARD does not compare the control row", "L1", Rules(guard_compares=False), _ANY),
    _variant(
        "PUBLISH after a COMMIT of unknown outcome",
        "L1",
        Rules(unknown_outcome_is_asked=False),
        _guarded("unknown"),
    ),
    _variant(
        "an unguarded write is acknowledged at once",
        "G1",
        Rules(unguarded_waits=False),
        _guarded("lost"),
    ),
    _variant(
        "CACHE_MODE=off does not count as unguarded",
        "G1",
        Rules(off_is_unguarded=False),
        _QUIET_OFF,
    ),
    _variant("CLOSE without the 500 ms", "G1", Rules(close_is_waited_out=False), _QUIET_OFF),
    _variant("already CLOSED: no waiting", "G1", Rules(found_closed_is_waited_out=False), _TWO_OFF),
    _variant(
        "a row is deleted before it was published",
        "G1",
        Rules(row_outlives_publish=False),
        _QUIET_OFF,
    ),
]

_RELAY = [
    _variant(
        "the relay does not compare incarnations",
        "G1",
        Rules(relay_compares_incarnation=False),
        _OFF_FAILOVER,
    ),
    _variant(
        "rows are dropped before the views are waited out",
        "G1",
        Rules(drop_waits_out_views=False),
        _OFF_PARTITION,
    ),
    _variant(
        "rows are dropped by what was read before the statement",
        "G1",
        Rules(drop_tests_in_its_statement=False),
        _TWO_OFF_TWO_WORKERS,
    ),
    _variant(
        "rows are dropped and no cold recovery demanded",
        "G1",
        Rules(drop_demands_cold=False),
        _OFF_PARTITION,
    ),
    _variant("trust ignores the beat", "G1F", Rules(trust_needs_beat=False), _QUIET_FOREIGN),
    _variant(
        "a beat is written without looking for rows",
        "G1F",
        Rules(beat_looks_for_rows=False),
        _QUIET_FOREIGN,
    ),
    _variant(
        "a beat does not count rows that others have locked",
        "G1F",
        Rules(beat_counts_locked_rows=False),
        _FOREIGN_TWO_WORKERS,
    ),
    _variant(
        "a beat is stamped at the end of its round",
        "G1F",
        Rules(beat_is_stamped_at_start=False),
        _QUIET_FOREIGN,
    ),
    _variant(
        "foreign rows count as guarded",
        "G1F",
        Rules(foreign_rows_are_unguarded=False),
        _QUIET_FOREIGN,
    ),
    _variant(
        "a beat is written in a transaction that stays open",
        "B1",
        Rules(beat_is_one_statement=False),
        Configuration(name="", writers=(FOREIGN, OFF), faults=0),
    ),
]

_RECOVERY = [
    _variant("cold recovery keeps the epoch", "G1", Rules(epoch_is_new=False), _ANY),
    _variant("OPEN cold takes no lock", "L1", Rules(open_takes_lock=False), _ANY),
    _variant(
        "OPEN cold without the 600 ms",
        "G1",
        Rules(recovery_waits_out_views=False),
        _guarded("failover", "snapshot"),
    ),
    _variant(
        "a leader's CLOSE does not compare seq",
        None,
        Rules(close_compares_seq=False),
        _guarded("flush", "late", faults=2),
    ),
    _variant(
        "cold recovery without CLOSE",
        "G1",
        Rules(recovery_closes=False),
        _guarded("failover", "snapshot"),
    ),
    _variant("OPEN does not compare seq", "G1", Rules(open_compares_seq=False), _TWO_LEADERS),
    _variant(
        "OPEN warm before the rows are delivered",
        "G1",
        Rules(warm_needs_rows_delivered=False),
        _QUIET_OFF,
    ),
    _variant(
        "OPEN warm does not count rows that others have locked",
        "G1",
        Rules(warm_counts_locked_rows=False),
        _OFF_TWO_WORKERS,
    ),
    _variant(
        "OPEN waits for the lock without a limit",
        "B1",
        Rules(lock_is_bounded=False),
        _BOTH_FLUSH,
    ),
    _variant(
        "TOKEN is written while the lock is held",
        "B1",
        Rules(open_is_one_statement=False),
        _guarded("flush"),
    ),
    _variant(
        "markers of dead transactions stay", "STUCK", Rules(markers_are_cleaned=False), _QUIET
    ),
    _variant(
        "idle transactions are never ended",
        "STUCK",
        Rules(idle_transactions_end=False),
        _guarded("flush"),
    ),
    _variant(
        "idle transactions of a stopped relay are never ended",
        "STUCK",
        Rules(idle_transactions_end=False),
        _FOREIGN_TWO_WORKERS,
    ),
]

_SHOPS = [
    _variant(
        "two shops share their markers",
        "L1",
        Rules(control_keys_carry_shop=False),
        _TWO_SHOPS,
    ),
    _variant("two shops share cl:token", "STUCK", Rules(token_carries_shop=False), _TWO_SHOPS),
    _variant("an epoch is a counter", "SHOP", Rules(epoch_is_random=False), _TWO_SHOPS),
]

VARIANTS = [*_TOKENS, *_READERS, *_WRITERS, *_RELAY, *_RECOVERY, *_SHOPS]
