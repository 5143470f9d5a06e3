"""
Search the protocol's model and print a table: `python -m tests.consistency.model small [words]`.

`small`, `large` or `weak` selects what is searched; further words select by name. Each search prints a
line with its states, steps and seconds, and below it a shortest trace to each violation. The exit
status is 1 when a promise is broken, or when a weakened variant does not break its promise.
"""

import sys

from tests.consistency.model.configurations import LARGE, SMALL, Configuration
from tests.consistency.model.search import SearchResult, search
from tests.consistency.model.variants import Variant
from tests.consistency.model.weakened_cache import WEAKENED_CACHE
from tests.consistency.model.weakened_recovery import WEAKENED_RECOVERY


def main(arguments: list[str]) -> int:
    """Search what the arguments name; return the exit status."""
    what, words = (arguments or ["small"])[0], arguments[1:]
    if what == "weak":
        variants = [*WEAKENED_CACHE, *WEAKENED_RECOVERY]
        results = [_variant(each) for each in variants if _chosen(each.name, words)]
        return int(not all(results))
    if what not in {"small", "large"}:
        _print_line("Usage: small, large or weak, then words of the names to search.")
        return 2
    configurations = SMALL if what == "small" else LARGE
    results = [_configuration(each) for each in configurations if _chosen(each.name, words)]
    return int(not all(results))


def _chosen(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def _configuration(configuration: Configuration) -> bool:
    outcome = search(configuration)
    _print(configuration.name, outcome)
    return not outcome.violations


def _variant(variant: Variant) -> bool:
    outcome = variant.search()
    _print(f"weak: {variant.name}", outcome)
    if variant.is_found(outcome):
        return True
    _print_line(f"    UNEXPECTED: {variant.breaks or 'nothing'} should have been found")
    return False


def _print(name: str, outcome: SearchResult) -> None:
    found = " ".join(outcome.violations) or "ok"
    size = f"{outcome.states:9,d} states {outcome.steps:10,d} steps {outcome.seconds:7.1f} s"
    _print_line(f"{name:82s} {size}  {found}")
    for violation, trace in outcome.violations.items():
        _print_line(f"    {violation}: {' | '.join(trace)}")


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
