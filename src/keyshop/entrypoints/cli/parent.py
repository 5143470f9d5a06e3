"""How a process ends: when it is told to, and when the one that started it is gone."""

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
    typer.Option("--exit-with", hidden=True, help="End when this process is no longer the parent."),
]

_EVERY: Final = 0.5  # seconds
_GRACE: Final = 1.2  # seconds: nobody is left who waits for a clean end


@contextmanager
def until_told() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block, and go on behind it as after a good end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Set in any case: a shell that starts a command in the background has it ignore Ctrl-C.
        signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        return


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def end_with(parent: int | None) -> None:
    """End this process, within two seconds, once `parent` is not its parent; None: never."""
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)
