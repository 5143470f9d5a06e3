"""
Locks between processes, made with `flock`.

The kernel frees them when their holder ends, however it ends, so no lock can be left behind. Child
processes inherit none of them, except where a lock is passed on purpose.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_lock(path: Path) -> int:
    """Return a descriptor of the lock file; it is not locked yet."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def acquire_exclusive(descriptor: int) -> None:
    """Wait until no other process holds the lock, and acquire it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def acquire_shared(descriptor: int) -> None:
    """Wait until no process holds the lock exclusively, and share it."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def try_acquire_exclusive(descriptor: int) -> bool:
    """
    Acquire the lock if that needs no waiting; return whether it was acquired.

    A shared lock that the descriptor held before is lost when the answer is no.
    """
    return _try_lock(descriptor, fcntl.LOCK_EX)


def try_acquire_shared(descriptor: int) -> bool:
    """Share the lock if that needs no waiting; return whether it was acquired."""
    return _try_lock(descriptor, fcntl.LOCK_SH)


def release(descriptor: int) -> None:
    """Release the lock, also in processes that inherited the descriptor, and close it."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock of this file for the length of a block."""
    descriptor = open_lock(path)
    try:
        acquire_exclusive(descriptor)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
