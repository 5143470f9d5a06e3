"""
Locks between processes, made of `flock`.

The kernel frees them when their holder ends, however it ends, so no lock can be left behind. A
program that we start inherits none of them, except where a lock is handed over on purpose.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_lock(path: Path) -> int:
    """Return a descriptor of the lock file, not locked yet."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def acquire_exclusive(descriptor: int) -> None:
    """Wait until nobody else holds the lock in any way, and hold it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def acquire_shared(descriptor: int) -> None:
    """Wait until nobody holds the lock alone, and hold it together with others."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def try_acquire_exclusive(descriptor: int) -> bool:
    """
    Take the lock alone if that needs no waiting; say whether it was taken.

    A shared hold that the descriptor had before is lost when the answer is no.
    """
    return _took(descriptor, fcntl.LOCK_EX)


def try_acquire_shared(descriptor: int) -> bool:
    """Take the lock together with others if that needs no waiting; say whether it was taken."""
    return _took(descriptor, fcntl.LOCK_SH)


def release(descriptor: int) -> None:
    """Free the lock, also for processes that inherited the descriptor, and close it."""
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


def _took(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
