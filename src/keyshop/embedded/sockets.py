"""The folder of a server's unix socket: closed to other accounts, with a path that the system allows."""

import hashlib
import os
import re
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path
from typing import Final

from keyshop.embedded.errors import EmbeddedServerError

_MAX_PATH: Final = 107  # bytes
_LONGEST_NAME: Final = len("/.s.PGSQL.65535")
# Configurations and addresses give a meaning to other characters, such as a comma.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._+-]+")


def socket_folder(server_folder: Path) -> Path:
    """Return the folder for the socket: below the server's own one if that path can be used."""
    folder = server_folder / "run"
    if _is_usable(folder):
        return folder
    digest = hashlib.sha256(os.fsencode(server_folder)).hexdigest()[:16]
    name = f"keyshop-{os.geteuid()}-{digest}"
    # Not TMPDIR: every process of the home must find the same folder.
    short = Path("/tmp") / name  # noqa: S108 - its owner and its mode are checked
    return short if Path("/tmp").is_dir() else Path(tempfile.gettempdir()) / name  # noqa: S108


def make_socket_folder(folder: Path, *, owner: int, group: int) -> None:
    """
    Create the folder with mode 700, for the account that runs the server.

    Raises:
        EmbeddedServerError: something else has its name, or another account owns it.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_ours = stat.S_ISDIR(found.st_mode) and (
            found.st_uid in {os.geteuid(), owner} or _is_private(folder.parent)
        )
        if is_ours:
            os.chown(folder, owner, group, follow_symlinks=False)
            folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedServerError(
            f"Cannot create the folder {folder} for a socket ({error.strerror})."
        ) from error
    if not is_ours:
        raise EmbeddedServerError(
            f"The folder {folder}, where a server's socket belongs, is of another account: "
            "delete it, or choose another KEYSHOP_HOME."
        )


def find_peer(path: Path, *, timeout_seconds: float) -> int | None:
    """Return the pid of the process that listens on the socket, or None if there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.connect(str(path))
            return peer_of(connection)
        except OSError:
            return None


def peer_of(connection: socket.socket) -> int:
    """Return the pid of the process that listens at the other end, as the kernel knows it."""
    if sys.platform == "darwin":
        return connection.getsockopt(0, 0x002)  # SOL_LOCAL, LOCAL_PEERPID
    pid, _, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    )
    return int(pid)


def _is_private(folder: Path) -> bool:
    """Test whether only this account can make something in the folder."""
    found = folder.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _is_usable(folder: Path) -> bool:
    length = len(os.fsencode(folder)) + _LONGEST_NAME
    return length <= _MAX_PATH and _PLAIN.fullmatch(str(folder)) is not None
