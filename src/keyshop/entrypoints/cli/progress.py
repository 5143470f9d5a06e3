"""The progress bar of a sync."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind
from keyshop.sync.run import Report


@contextmanager
def sync_progress(kind: RunKind) -> Iterator[Report]:
    """Show the progress of a run on standard error; the yielded function takes its reports."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("products"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task(kind.label.capitalize(), total=None)

        def report(run: Run) -> None:
            progress.update(task, total=run.total, completed=run.products + run.rejected)

        yield report
