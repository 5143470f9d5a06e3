"""The table of handlers: which function runs the jobs of which name."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from keyshop.entrypoints.worker.retries import MAX_ATTEMPTS
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.jobs import Job, decode_job

_Job = TypeVar("_Job", bound=Job)


class Handler(NamedTuple):
    """What the worker does with the jobs of one name."""

    name: str
    handle: Callable[[WorkerShop, bytes | None], Awaitable[None]]
    max_attempts: int = MAX_ATTEMPTS
    """After so many failed attempts a job becomes a dead letter; `retries.py` sets the delays."""

    is_slow: bool = False
    """It may wait for minutes. All slow jobs together have `MAX_PARALLEL_SLOW` places."""


def handler(
    kind: type[_Job],
    act: Callable[[WorkerShop, _Job], Awaitable[None]],
    *,
    max_attempts: int = MAX_ATTEMPTS,
    is_slow: bool = False,
) -> Handler:
    """Return the table's entry that decodes jobs of this kind and passes them to `act`."""

    async def handle(shop: WorkerShop, payload: bytes | None) -> None:
        await act(shop, decode_job(kind, payload))

    return Handler(kind.name, handle, max_attempts, is_slow)
