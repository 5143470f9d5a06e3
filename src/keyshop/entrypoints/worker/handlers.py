"""Which job is handed to whom."""

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
    attempts: int = MAX_ATTEMPTS
    """How many are made before a job is given up; see `retries.py` for the pauses."""

    may_be_slow: bool = False
    """It may wait for minutes; such jobs together have a share of the worker's places."""


def handler(
    kind: type[_Job],
    act: Callable[[WorkerShop, _Job], Awaitable[None]],
    *,
    attempts: int = MAX_ATTEMPTS,
    may_be_slow: bool = False,
) -> Handler:
    """Return the table's entry that reads jobs of this kind and hands them to `act`."""

    async def handle(shop: WorkerShop, payload: bytes | None) -> None:
        await act(shop, decode_job(kind, payload))

    return Handler(kind.name, handle, attempts, may_be_slow)
