"""Folders and small files of the embedded servers, below the shop's home."""

import os
import secrets
from pathlib import Path

from keyshop.embedded.errors import EmbeddedServerError

# An unattended log must not fill the disk; one older log is kept beside it.
_LOG_BYTES = 10_000_000


def make_home(home: Path) -> None:
    """
    Create the shop's home unless it exists; only its owner may list or read it.

    If root owns it, other accounts may pass through it (not list it): PostgreSQL refuses to run as
    root and must reach its own folder from another account.
    """
    _create(home, mode=0o711 if os.geteuid() == 0 else 0o700)


def make_server_folder(home: Path, name: str) -> Path:
    """Create the folder of one server below the home and return it."""
    make_home(home)
    folder = home / name
    _create(folder, mode=0o711 if os.geteuid() == 0 else 0o700)
    return folder


def make_password(path: Path) -> None:
    """Write a random password to this file unless it exists."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically by one that only its owner may read."""
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    aside.replace(path)


def open_log(path: Path) -> int:
    """Return a descriptor that appends to the log; a large log is rotated first."""
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def last_line(path: Path) -> str:
    """Return the last line of a log, or `(empty)`."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "(empty)"


def _create(folder: Path, *, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(
            f"Cannot create the folder {folder} ({error.strerror}): "
            "set KEYSHOP_HOME to a folder that this account may write to."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EmbeddedServerError(
            f"The folder {folder} belongs to another account: set KEYSHOP_HOME to a folder of your own."
        )
