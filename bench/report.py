"""One readable report: figures in columns, and goals with whether they are met."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_LABEL: Final = 44  # characters


class Goal(Struct, frozen=True, kw_only=True):
    """A figure and where it should be: at `least`, or at `most`."""

    text: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool:
        """Test whether the figure is where it should be."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    @property
    def bound(self) -> str:
        """Return the goal in a few characters."""
        if self.least is not None:
            return f"≥ {number(self.least)}{self.unit}"
        return f"≤ {number(self.most or 0)}{self.unit}"


class Report:
    """Prints as it goes, and repeats all goals at the end."""

    def __init__(self) -> None:
        self._goals: list[Goal] = []

    def title(self, text: str) -> None:
        """Begin a section."""
        print(f"\n{text}\n{'-' * len(text)}", flush=True)

    def note(self, text: str) -> None:
        """Print a sentence."""
        print(text, flush=True)

    def line(self, label: str, *cells: object) -> None:
        """Print one line of columns."""
        shown = "".join(f"{_cell(cell):>14}" for cell in cells)
        print(f"{label:<{_LABEL}}{shown}", flush=True)

    def goals(self, *goals: Goal) -> None:
        """Print figures that have a goal, and keep them for the end."""
        self._goals += goals
        for goal in goals:
            self._print(goal)

    def summary(self) -> None:
        """Print all goals once more."""
        if not self._goals:
            return
        met = sum(goal.is_met for goal in self._goals)
        self.title(f"Goals: {met} of {len(self._goals)} met")
        for goal in self._goals:
            self._print(goal)

    def _print(self, goal: Goal) -> None:
        verdict = "met" if goal.is_met else "MISSED"
        self.line(goal.text, f"{number(goal.value)}{goal.unit}", goal.bound, verdict)


def number(value: float) -> str:
    """Return the figure with as many digits as it is worth."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _cell(cell: object) -> str:
    return number(cell) if isinstance(cell, int | float) else str(cell)
