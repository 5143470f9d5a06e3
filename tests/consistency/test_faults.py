"""A seed decides which faults happen, and when."""

from itertools import islice

from tests.consistency.faults import FAULTS, plan_faults


class TestPlanFaults:
    def test_makes_the_same_decisions_for_the_same_seed(self):
        first, second = (list(islice(plan_faults(7, tuple(FAULTS), every=2), 50)) for _ in range(2))

        assert first == second

    def test_makes_other_decisions_for_another_seed(self):
        first, second = (
            list(islice(plan_faults(seed, tuple(FAULTS), every=2), 50)) for seed in (7, 8)
        )

        assert first != second

    def test_plans_every_kind_of_fault(self):
        planned = {fault.name for fault in islice(plan_faults(7, tuple(FAULTS), every=2), 1000)}

        assert planned == FAULTS.keys()

    def test_plans_nothing_without_names(self):
        assert list(plan_faults(7, (), every=2)) == []
