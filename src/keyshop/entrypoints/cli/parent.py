"""How a process ends: on a signal, and when its parent is gone."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer

ExitWith = Annotated[
    int | None,
    typer.Option(
        "--exit-with", hidden=True, help="Exit when this process is no longer the parent."
    ),
]

_POLL_INTERVAL: Final = 0.5  # seconds
_GRACE: Final = 1.2  # seconds: with its parent gone, a process need not end cleanly


@contextmanager
def until_stopped() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block; what follows it runs as after a normal end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell that starts a command in the background makes it ignore Ctrl-C.
        signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        return


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def exit_with_parent(parent: int | None) -> None:
    """Exit within two seconds after `parent` stops being this process's parent; None: never."""
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)
