"""The report: figures in columns and goals with their results, or the same as JSON."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field, json

_LABEL: Final = 44  # characters


class Goal(Struct, frozen=True, kw_only=True):
    """A figure and its limit: at `least`, or at `most`."""

    text: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool:
        """Test whether the figure is within its limits."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    @property
    def bound(self) -> str:
        """Return the limit as text, such as ≥ 0.8."""
        if self.least is not None:
            return f"≥ {number(self.least)}{self.unit}"
        return f"≤ {number(self.most or 0)}{self.unit}"


class Line(Struct, frozen=True):
    """One line of columns."""

    label: str
    cells: list[float | str]


class Section(Struct, frozen=True):
    """The notes and lines under one title."""

    title: str
    notes: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class Report:
    """Prints each line at once and repeats all goals at the end, or prints only JSON at the end."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._sections: list[Section] = [Section("keyshop")]
        self._goals: list[Goal] = []
        self.faults: list[str] = []
        """Errors that make the command fail, one sentence each."""

    def title(self, text: str) -> None:
        """Begin a section."""
        self._sections.append(Section(text))
        self._write(f"\n{text}\n{'-' * len(text)}")

    def note(self, text: str) -> None:
        """Print a sentence."""
        self._sections[-1].notes.append(text.strip())
        self._write(text)

    def line(self, label: str, *cells: object) -> None:
        """Print one line of columns."""
        kept = [cell if isinstance(cell, int | float) else str(cell) for cell in cells]
        self._sections[-1].lines.append(Line(label.strip(), kept))
        self._print_line(label, *kept)

    def goals(self, *goals: Goal) -> None:
        """Print figures that have a goal, and keep them for the end."""
        self._goals += goals
        for goal in goals:
            self._print(goal)

    def fault(self, text: str) -> None:
        """Report an error; the command then fails."""
        self.faults.append(text)
        self._write(f"FAULT: {text}")

    def summary(self) -> None:
        """Print all goals and faults again."""
        if self._as_json:
            print(self._encode().decode(), flush=True)
            return
        if self._goals:
            met = sum(goal.is_met for goal in self._goals)
            self.title(f"Goals: {met} of {len(self._goals)} met")
        for goal in self._goals:
            self._print(goal)
        for fault in self.faults:
            self._write(f"FAULT: {fault}")

    def _print(self, goal: Goal) -> None:
        verdict = "met" if goal.is_met else "MISSED"
        self._print_line(goal.text, f"{number(goal.value)}{goal.unit}", goal.bound, verdict)

    def _print_line(self, label: str, *cells: float | str) -> None:
        shown = "".join(f"{_cell(cell):>14}" for cell in cells)
        self._write(f"{label:<{_LABEL}}{shown}")

    def _write(self, text: str) -> None:
        if not self._as_json:
            print(text, flush=True)

    def _encode(self) -> bytes:
        goals = [
            {
                "text": goal.text.strip(),
                "value": goal.value,
                "unit": goal.unit.strip(),
                "least": goal.least,
                "most": goal.most,
                "met": goal.is_met,
            }
            for goal in self._goals
        ]
        return json.encode({"sections": self._sections, "goals": goals, "faults": self.faults})


def number(value: float) -> str:
    """Format the figure with about three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _cell(cell: float | str) -> str:
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell if isinstance(cell, str) else number(cell)
