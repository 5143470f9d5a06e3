"""Files with what only their owner may read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from keyshop.kit.errors import Conflict


@contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """
    Lend a file that was not there and that only its owner may read; an error takes it away again.

    Raises:
        Conflict: it is there already, or cannot be written.
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
