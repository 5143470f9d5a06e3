"""The event loop of commands that do much work."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

import uvloop

_Result = TypeVar("_Result")


def run_fast(work: Coroutine[None, None, _Result]) -> _Result:
    """Run the work on uvloop, because a sync spends half its time in the event loop."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts a command in the background makes it ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
