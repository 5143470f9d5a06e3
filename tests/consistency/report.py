"""Writes the report of a run in Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from keyshop.cache_keys import (
    BALANCE,
    CART,
    GUEST_CART,
    GUEST_WISHLIST,
    ORDER,
    ORDERS,
    PROFILE,
    USER_ACCESS,
    USER_TRANSACTIONS,
    WISHLIST,
)
from tests.consistency.checker import Violation, ViolationKind
from tests.consistency.faults import FAULTS
from tests.consistency.findings import Findings, history_around
from tests.consistency.journal import Journal
from tests.consistency.keys import KEYS, Kind
from tests.consistency.options import Options
from tests.consistency.records import Answer, Outcome
from tests.consistency.recovery import RecoveryWatch
from tests.consistency.requests import PATHS, is_personal

_PERSONAL: Final = {
    family.name
    for family in (
        PROFILE,
        CART,
        WISHLIST,
        USER_ACCESS,
        GUEST_CART,
        GUEST_WISHLIST,
        BALANCE,
        USER_TRANSACTIONS,
        ORDERS,
        ORDER,
    )
}
_SHOWN_WITH_HISTORY: Final = 5
_WRITERS: Final = (
    "writer",
    "acknowledged",
    "rolled back",
    "unknown",
    "time to acknowledgement: median, 99 %, longest",
)


class Result(Struct):
    """Everything that the report needs."""

    command: str
    options: Options
    seconds: float
    findings: Findings
    journal: Journal
    recovery: RecoveryWatch
    cache: dict[str, Counter[str]]
    """Cache reads by family and outcome."""

    @property
    def is_good(self) -> bool:
        """Test whether the shop kept its promises, and no process ended by itself."""
        journal = self.journal
        return not (self.findings.violations or journal.surprises or journal.key_texts.found)


def write_report(result: Result) -> str:
    """Return the report."""
    return "\n".join(
        [
            f"# {_verdict(result)}",
            "",
            f"`{result.command}` (seed {result.options.seed})",
            "",
            *_table(("", ""), _facts(result)),
            "",
            *_table(("requested", "answers"), _paths(result.findings)),
            "",
            *_table(("personal data", "hit rate", "cache reads by outcome"), _personal(result)),
            "",
            *_table(_WRITERS, _writers(result.findings)),
            "",
            *_table(("fault", "times"), _faults(result.journal)),
            *_surprises(result.journal),
            "",
        ]
    )


def describe_violations(findings: Findings, notes: Path) -> str:
    """Return the list of violations, the first ones with the history around them."""
    lines: list[str] = []
    for place, violation in enumerate(findings.shown):
        read = violation.read
        name = KEYS[read.key].id if read.key >= 0 else "(a list)"
        lines.append(
            f"{violation.kind}: {name}, requested as {PATHS[read.path]} from api {read.api}, showed"
            f" {_shown(violation)}"
            f" ({Answer(read.answer).name.lower()}, began at {read.invoked / 1e9:.6f} s,"
            f" took {(read.returned - read.invoked) / 1e6:.3f} ms)"
        )
        if place < _SHOWN_WITH_HISTORY:
            around = history_around(notes, violation, findings.histories.get(read.key))
            lines += [f"    {line}" for line in around]
    hidden = len(findings.violations) - len(findings.shown)
    return "\n".join([*lines, *([f"... and {hidden} more"] if hidden else [])])


def _shown(violation: Violation) -> str:
    if violation.kind is ViolationKind.ANOTHERS:
        return f"data of person {violation.read.version}"
    return f"{violation.read.version}, promised was at least {violation.expected}"


def _verdict(result: Result) -> str:
    findings = result.findings
    names = sorted(result.journal.key_texts.found)
    if names:
        return f"CAUGHT: Redis holds texts of game keys in {len(names)} values, as {names[0]}"
    if not findings.violations and result.journal.surprises:
        return f"FAILED: {len(result.journal.surprises)} processes ended by themselves"
    if not findings.violations:
        return f"Consistent: 0 violations in {findings.requests:,} reads"
    kinds = Counter(violation.kind.value for violation in findings.violations)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    return (
        f"CAUGHT: {len(findings.violations):,} violations in {findings.requests:,} reads ({counts})"
    )


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    found = result.findings
    yield "length", f"{result.seconds:.0f} s"
    yield "reads", f"{found.requests:,} ({found.requests / result.seconds:,.0f} a second)"
    personal: int = sum(count for path, count in found.paths.items() if is_personal(path))
    yield "reads of personal data", f"{personal:,}"
    yield "games and baskets checked in them", f"{found.observations:,}"
    yield "violations", f"{len(found.violations):,}"
    search = result.journal.key_texts
    yield (
        "values of Redis searched for texts of game keys",
        f"{search.values:,}, {search.orders:,} of orders; found in {len(search.found):,}",
    )
    yield "faults", f"{len(result.journal.faults):,}"
    public = _sum(each for family, each in result.cache.items() if family not in _PERSONAL)
    yield "hit rate of shared pages", _hit_rate(public)
    yield "cache reads by outcome", _outcomes(public)
    yield "answer times: median, 99 %, longest", _milliseconds(sorted(found.latencies), 0.5, 0.99)
    yield (
        "foreign writes, time until visible: 95 %, 99 %, longest",
        _milliseconds(found.delays, 0.95, 0.99),
    )
    yield "time until hits resumed: median, 95 %, longest", _recovery(result.recovery)
    yield (
        "requests failed while a process or PostgreSQL was down",
        f"{sum(found.answers[each] for each in Answer if each != Answer.SHOWN):,}",
    )
    yield "processes disagreed before an acknowledgement", f"{found.disagreed:,} reads"


def _sum(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total


def _hit_rate(cache: Counter[str]) -> str:
    total = sum(cache.values())
    return f"{cache['hit'] / total:.1%}" if total else "n/a (no cache metrics)"


def _outcomes(cache: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in cache.most_common()) or "n/a"


def _milliseconds(figures: Sequence[int], *shares: float) -> str:
    if not figures:
        return "n/a"
    chosen = [figures[int(share * (len(figures) - 1))] for share in shares] + [figures[-1]]
    return " · ".join(f"{figure / 1e6:,.1f} ms" for figure in chosen)


def _recovery(recovery: RecoveryWatch) -> str:
    if not recovery.seconds:
        return "n/a"
    times = _milliseconds(sorted(int(each * 1e9) for each in recovery.seconds), 0.5, 0.95)
    cut = recovery.cut_short
    rest = (
        f"; {len(cut)} times the next fault came first, after {max(cut):.1f} s at most"
        if cut
        else ""
    )
    return f"{times} ({len(recovery.seconds)} times{rest})"


def _paths(findings: Findings) -> Iterator[tuple[str, str]]:
    for path, count in findings.paths.most_common():
        yield PATHS[path], f"{count:,}"


def _personal(result: Result) -> Iterator[tuple[str, str, str]]:
    for family, outcomes in sorted(result.cache.items()):
        if family in _PERSONAL:
            yield family.replace("_", " "), _hit_rate(outcomes), _outcomes(outcomes)


def _writers(findings: Findings) -> Iterator[tuple[str, ...]]:
    for kind in Kind:
        if kind is not Kind.MISSING:
            counts = [
                findings.writes[kind, outcome]
                for outcome in (Outcome.ACKNOWLEDGED, Outcome.ROLLED_BACK, Outcome.UNKNOWN)
            ]
            # A killed writer could not note the outcome of its write.
            counts[2] += max(0, findings.writes[kind, Outcome.TRIED] - counts[0] - counts[2])
            waits = _milliseconds(sorted(findings.waits.get(kind, ())), 0.5, 0.99)
            yield (kind.name.lower().replace("_", " "), *(f"{count:,}" for count in counts), waits)


def _faults(journal: Journal) -> Iterator[tuple[str, str]]:
    counts = journal.count()
    for name, kind in FAULTS.items():
        if counts[name]:
            yield f"{name}: {kind.description}", f"{counts[name]:,}"
    if not counts:
        yield "none", "0"


def _surprises(journal: Journal) -> list[str]:
    if not journal.surprises:
        return []
    lines: list[str] = []
    for surprise in journal.surprises:
        lines += ["", f"{surprise.sentence}; its last words:", ""]
        lines += [f"    {line}" for line in surprise.last_words.splitlines()]
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
