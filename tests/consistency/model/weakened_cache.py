"""Variants without one rule of tokens, reads or writes."""

from tests.consistency.model.configurations import (
    EVERY_FAULT,
    FOREIGN,
    GUARDED,
    GUARDED_GROUP,
    OFF,
    Configuration,
)
from tests.consistency.model.rules import Rules
from tests.consistency.model.variants import guarded, weakened

_ANY = Configuration(name="", kinds=EVERY_FAULT)
_QUIET = guarded()
_QUIET_GROUP = Configuration(name="", writers=(GUARDED_GROUP,), faults=0)
_QUIET_OFF = Configuration(name="", writers=(OFF,), faults=0)
_TWO_OFF = Configuration(name="", writers=(OFF, OFF), faults=0)
_QUIET_FOREIGN = Configuration(name="", writers=(FOREIGN,), faults=0)
_OFF_ANY = Configuration(name="", writers=(OFF,))
_BOTH_LATE = Configuration(name="", writers=(GUARDED, OFF), kinds=frozenset({"flush", "late"}))
_UNCHECKED = guarded("flush", "lost", "late", faults=2)

_TOKENS = [
    weakened("there is no cl:token", "L1", Rules(token_exists=False), guarded("flush")),
    weakened(
        "there is no cl:token, and PUBLISH fails",
        "G1",
        Rules(token_exists=False),
        guarded("flush", "lost", faults=2),
    ),
    weakened(
        "the token is read at connect, not by scripts",
        "L1",
        Rules(scripts_check_token=False),
        guarded("flush"),
    ),
    weakened("MGET ignores the token", None, Rules(get_checks_token=False), _UNCHECKED),
    weakened("ACQUIRE ignores the token", None, Rules(acquire_checks_token=False), _UNCHECKED),
    weakened("FILL ignores the token", None, Rules(fill_checks_token=False), _UNCHECKED),
    weakened(
        "neither ACQUIRE nor FILL looks at the token",
        "L1",
        Rules(acquire_checks_token=False, fill_checks_token=False),
        _UNCHECKED,
    ),
    weakened(
        "no reading script looks at the token",
        "L1",
        Rules(acquire_checks_token=False, fill_checks_token=False, get_checks_token=False),
        _UNCHECKED,
    ),
    weakened("INTENT ignores the token", None, Rules(intent_checks_token=False), _UNCHECKED),
    weakened("PUBLISH ignores the token", None, Rules(publish_checks_token=False), _BOTH_LATE),
    weakened(
        "an incarnation is the token alone, without run_id",
        "G1",
        Rules(incarnation_has_run_id=False),
        _ANY,
    ),
    weakened(
        "cold recovery writes the same token again",
        "L1",
        Rules(recovery_draws_token=False),
        _UNCHECKED,
    ),
    weakened(
        "TOKEN is repeated with the same token",
        "L1",
        Rules(every_attempt_draws_token=False),
        guarded("flush", "late", faults=3),
    ),
]

_READERS = [
    weakened("trust is tested after the reply only", "G1", Rules(trusted_before=False), _QUIET_OFF),
    weakened("trust is tested before the command only", None, Rules(trusted_after=False), _OFF_ANY),
    weakened("FILL needs no lease", "G1", Rules(fill_needs_lease=False), _QUIET),
    weakened(
        "FILL does not compare the generation",
        "G1",
        Rules(fill_compares_generation=False),
        _QUIET_GROUP,
    ),
    weakened(
        "FILL stores under the current generation",
        "G1",
        Rules(fill_keeps_generation=False),
        _QUIET_GROUP,
    ),
    weakened("a generation is a counter", "L1", Rules(generation_is_random=False), _QUIET_GROUP),
    weakened(
        "FILL does not compare view and connection",
        None,
        Rules(fill_compares_view=False),
        guarded("restart", "snapshot", "flush"),
    ),
    weakened(
        "FILL stores under the tag of the current view",
        "G1",
        Rules(fill_keeps_tag=False, fill_compares_view=False),
        guarded("restart", "snapshot"),
    ),
    weakened(
        "ACQUIRE ignores markers of the key",
        "L1",
        Rules(acquire_sees_key_markers=False),
        _QUIET,
    ),
    weakened(
        "neither ACQUIRE nor FILL sees markers of the key",
        "L1",
        Rules(acquire_sees_key_markers=False, fill_sees_markers=False),
        _QUIET,
    ),
    weakened(
        "neither ACQUIRE nor FILL sees markers of the group",
        "L1",
        Rules(acquire_sees_group_markers=False, fill_sees_markers=False),
        _QUIET_GROUP,
    ),
    weakened(
        "a joiner compares the epoch, not seq, and needs no trust when it joins",
        "G1",
        Rules(joiner_compares_seq=False, joiner_trusts_before=False),
        _QUIET_OFF,
    ),
    weakened(
        "a joiner needs no trust when it joins",
        "G1F",
        Rules(joiner_trusts_before=False),
        _QUIET_FOREIGN,
    ),
    weakened(
        "a joiner needs no trust at all",
        "G1",
        Rules(joiner_trusts_before=False, joiner_trusts_after=False),
        _QUIET_OFF,
    ),
    weakened(
        "a joiner does not wait for FILL's reply",
        "G1",
        Rules(joiner_waits_for_fill=False),
        _QUIET,
    ),
]

_WRITERS = [
    weakened(
        "there is no INTENT: delete after commit",
        "L1",
        Rules(intent_before_commit=False),
        _QUIET,
    ),
    weakened("markers have a TTL", "L1", Rules(markers_without_ttl=False), _QUIET),
    weakened("GUARD does not compare the control row", "L1", Rules(guard_compares=False), _ANY),
    weakened(
        "PUBLISH after a COMMIT of unknown outcome",
        "L1",
        Rules(unknown_outcome_is_asked=False),
        guarded("unknown"),
    ),
    weakened(
        "an unguarded write is acknowledged at once",
        "G1",
        Rules(unguarded_waits=False),
        guarded("lost"),
    ),
    weakened(
        "CACHE_MODE=off does not count as unguarded",
        "G1",
        Rules(off_is_unguarded=False),
        _QUIET_OFF,
    ),
    weakened("CLOSE without the 500 ms", "G1", Rules(close_is_waited_out=False), _QUIET_OFF),
    weakened("already CLOSED: no waiting", "G1", Rules(found_closed_is_waited_out=False), _TWO_OFF),
    weakened(
        "a row is deleted before it was published",
        "G1",
        Rules(row_outlives_publish=False),
        _QUIET_OFF,
    ),
]

WEAKENED_CACHE = [*_TOKENS, *_READERS, *_WRITERS]
