"""Files that only their owner may read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from keyshop.kit.errors import Conflict


@contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """
    Create a file that only its owner may read, and lend it; an error deletes it again.

    Raises:
        Conflict: the file exists already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Conflict(f"Cannot write {path} ({error.strerror}); name another file.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
