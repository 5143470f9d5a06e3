"""A variant of the protocol: one rule is removed, and the promise that breaks is known."""

import msgspec

from tests.consistency.model.configurations import Configuration, FaultName
from tests.consistency.model.rules import Rules
from tests.consistency.model.search import SearchResult, search


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """
    A weakened protocol, its configuration, and the expected violation.

    `breaks=None` marks a redundant rule: another one covers it, and nothing is found.
    """

    name: str
    configuration: Configuration
    breaks: str | None

    def search(self) -> SearchResult:
        """Search until the expected violation, or the whole configuration when none is expected."""
        progress = self.breaks in {None, "STUCK"}
        return search(self.configuration, until=self.breaks, progress=progress)

    def is_found(self, outcome: SearchResult) -> bool:
        """Test whether the search found what is expected."""
        if self.breaks is None:
            return not outcome.violations
        return self.breaks in outcome.violations


def weakened(name: str, breaks: str | None, rules: Rules, configuration: Configuration) -> Variant:
    """Return the variant: these rules in place of the protocol's, in this configuration."""
    searched = msgspec.structs.replace(configuration, name=name, rules=rules)
    return Variant(name=name, configuration=searched, breaks=breaks)


def guarded(*kinds: FaultName, faults: int = 1) -> Configuration:
    """Return a configuration with one guarded writer and up to `faults` faults of these kinds."""
    return Configuration(name="", faults=faults if kinds else 0, kinds=frozenset(kinds))
