"""How a process that was started by another one notices that it is alone."""

import os
import signal
import threading
import time
from typing import Annotated, Final

import typer

ExitWith = Annotated[
    int | None,
    typer.Option("--exit-with", hidden=True, help="End when this process is no longer the parent."),
]

_EVERY: Final = 0.5  # seconds


def end_with(parent: int | None) -> None:
    """Send this process SIGTERM once `parent` is no longer its parent; None: never."""
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
