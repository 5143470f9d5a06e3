"""A seed decides what goes wrong, and when."""

from itertools import islice

from tests.consistency.faults import FAULTS, plan_strikes


class TestPlanStrikes:
    def test_makes_the_same_decisions_for_the_same_seed(self):
        first, second = (
            list(islice(plan_strikes(7, tuple(FAULTS), every=2), 50)) for _ in range(2)
        )

        assert first == second

    def test_makes_others_for_another_seed(self):
        first, second = (
            list(islice(plan_strikes(seed, tuple(FAULTS), every=2), 50)) for seed in (7, 8)
        )

        assert first != second

    def test_leaves_nothing_out(self):
        struck = {strike.name for strike in islice(plan_strikes(7, tuple(FAULTS), every=2), 1000)}

        assert struck == FAULTS.keys()

    def test_makes_nothing_when_nothing_is_asked_for(self):
        assert list(plan_strikes(7, (), every=2)) == []
