"""A variant of the protocol: one rule is taken away, and the promise that breaks is known."""

import msgspec

from tests.consistency.model.configurations import Configuration, Fault
from tests.consistency.model.rules import Rules
from tests.consistency.model.search import Outcome, search


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """
    A weakened protocol, where it is searched, and what must be found.

    `breaks=None` marks a rule that is redundant: another one covers for it, nothing is found.
    """

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


def weakened(name: str, breaks: str | None, rules: Rules, configuration: Configuration) -> Variant:
    """Return the variant: these rules in place of the protocol's, in this configuration."""
    searched = msgspec.structs.replace(configuration, name=name, rules=rules)
    return Variant(name=name, configuration=searched, breaks=breaks)


def guarded(*kinds: Fault, faults: int = 1) -> Configuration:
    """Return one guarded writer, with so many faults of these kinds, if any."""
    return Configuration(name="", faults=faults if kinds else 0, kinds=frozenset(kinds))
