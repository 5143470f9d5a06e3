"""The guarded cache keeps its promises in every interleaving, and only with all of its rules."""

from typing import Final

import pytest

from tests.consistency.model.configurations import SMALL, Configuration
from tests.consistency.model.search import search
from tests.consistency.model.variants import Variant
from tests.consistency.model.weakened_cache import WEAKENED_CACHE
from tests.consistency.model.weakened_recovery import WEAKENED_RECOVERY

_VARIANTS = [*WEAKENED_CACHE, *WEAKENED_RECOVERY]

_REPRESENTATIVE = {
    "there is no INTENT: delete after commit",
    "FILL needs no lease",
    "there is no cl:token",
    "CLOSE without the 500 ms",
    "trust is tested after the reply only",
    "a beat does not count rows that others have locked",
    "a beat is stamped at the end of its round",
    "a joiner needs no trust when it joins",
    "OPEN waits for the lock without a limit",
    "markers of dead transactions stay",
    "an epoch is a counter",
    "a blocked cache opens",
    "a blocked cache opens warm",
}


# These take most of the time; `make test-all` runs them.
_LONG: Final = {
    "a foreign and a guarded writer",
    "a guarded writer of the key, any fault",
    "a guarded writer of the group, any fault",
    "an unguarded writer, any fault",
    "a foreign writer, any fault",
}
_PROTOCOL: Final = [
    pytest.param(each, marks=pytest.mark.slow if each.name in _LONG else ()) for each in SMALL
]


def _named(case: Configuration | Variant) -> str:
    return case.name


class TestProtocol:
    @pytest.mark.parametrize("configuration", _PROTOCOL, ids=_named)
    def test_keeps_every_promise_in_every_interleaving(self, configuration):
        outcome = search(configuration)

        assert outcome.violations == {}


class TestWeakenedProtocol:
    @pytest.mark.parametrize(
        "variant",
        [variant for variant in _VARIANTS if variant.name in _REPRESENTATIVE],
        ids=_named,
    )
    def test_breaks_the_promise_that_its_rule_protects(self, variant):
        outcome = variant.search()

        assert variant.is_found(outcome), outcome.violations

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "variant",
        [variant for variant in _VARIANTS if variant.name not in _REPRESENTATIVE],
        ids=_named,
    )
    def test_breaks_its_promise_without_any_single_rule(self, variant):
        outcome = variant.search()

        assert variant.is_found(outcome), outcome.violations
