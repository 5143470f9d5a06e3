"""The protocol's rules; for each, there is a weakened variant without it."""

import msgspec


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Every rule in force is the protocol; a rule set to False is a variant that must fail."""

    # Incarnations and tokens
    token_exists: bool = True
    incarnation_has_run_id: bool = True
    scripts_check_token: bool = True
    get_checks_token: bool = True
    acquire_checks_token: bool = True
    fill_checks_token: bool = True
    intent_checks_token: bool = True
    publish_checks_token: bool = True
    recovery_draws_token: bool = True
    every_attempt_draws_token: bool = True

    # Readers
    trusted_before: bool = True
    trusted_after: bool = True
    trust_needs_beat: bool = True
    fill_needs_lease: bool = True
    fill_sees_markers: bool = True
    fill_compares_generation: bool = True
    fill_keeps_generation: bool = True
    fill_compares_view: bool = True
    fill_keeps_tag: bool = True
    acquire_sees_key_markers: bool = True
    acquire_sees_group_markers: bool = True
    generation_is_random: bool = True
    joiner_waits_for_fill: bool = True
    joiner_trusts_before: bool = True
    joiner_trusts_after: bool = True
    joiner_compares_seq: bool = True

    # Writers
    intent_before_commit: bool = True
    guard_compares: bool = True
    markers_without_ttl: bool = True
    markers_are_cleaned: bool = True
    unknown_outcome_is_asked: bool = True
    unguarded_waits: bool = True
    off_is_unguarded: bool = True
    close_is_waited_out: bool = True
    found_closed_is_waited_out: bool = True
    row_outlives_publish: bool = True
    idle_transactions_end: bool = True
    foreign_rows_are_unguarded: bool = True

    # Relay
    relay_compares_incarnation: bool = True
    drop_waits_out_views: bool = True
    drop_tests_in_its_statement: bool = True
    drop_demands_cold: bool = True
    beat_looks_for_rows: bool = True
    beat_counts_locked_rows: bool = True
    beat_is_stamped_at_start: bool = True
    beat_is_one_statement: bool = True

    # Recovery
    epoch_is_new: bool = True
    epoch_is_random: bool = True
    recovery_closes: bool = True
    close_compares_seq: bool = True
    recovery_waits_out_views: bool = True
    open_takes_lock: bool = True
    open_compares_seq: bool = True
    open_is_one_statement: bool = True
    lock_is_bounded: bool = True
    warm_needs_rows_delivered: bool = True
    warm_counts_locked_rows: bool = True

    # Triggers that are disabled
    blocked_refuses_open: bool = True
    block_demands_cold: bool = True

    # Two shops on one Redis
    control_keys_carry_shop: bool = True
    token_carries_shop: bool = True

    def checks_token(self, script: str) -> bool:
        """Test whether this script refuses to run under another token."""
        if not (self.token_exists and self.scripts_check_token):
            return False
        return script not in _CHECKS or bool(getattr(self, _CHECKS[script]))

    def compares_incarnations(self) -> bool:
        """Test whether a connection to another run, or with another token, is detected."""
        return self.incarnation_has_run_id and self.scripts_check_token


_CHECKS = {
    "GET": "get_checks_token",
    "ACQUIRE": "acquire_checks_token",
    "FILL": "fill_checks_token",
    "INTENT": "intent_checks_token",
    "PUBLISH": "publish_checks_token",
}
