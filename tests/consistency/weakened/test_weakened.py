"""A checker that finds nothing proves nothing, unless it finds what is there."""

import pytest

from tests.consistency.command import run_checker
from tests.consistency.weakened.names import WEAKENED


class TestChecker:
    @pytest.mark.slow
    @pytest.mark.parametrize("weakened", WEAKENED)
    def test_catches_a_cache_that_leaves_a_rule_out(self, weakened):
        status, report = run_checker("--weakened", weakened)

        assert status == 1, report
        verdicts = [line for line in report.splitlines() if line.startswith("# CAUGHT")]
        assert len(verdicts) == 1, report
        assert WEAKENED[weakened].caught in verdicts[0], report
