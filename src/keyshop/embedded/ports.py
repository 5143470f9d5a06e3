"""The loopback port of a server: chosen once, stored in its folder, kept while it is free."""

import secrets
import socket
from pathlib import Path

from keyshop.embedded.folder import write_private

HOST = "127.0.0.1"

# Below the range of outgoing connections, which could take the port while the server is down.
_FIRST, _LAST = 20_000, 32_000


def find_port(path: Path) -> int | None:
    """Return the port in the file, or None if the file is missing or holds no port."""
    try:
        port = int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if 0 < port < 65_536 else None


def choose_port(path: Path) -> int:
    """Return the stored port if it is free, else choose and store a new one."""
    stored = find_port(path)
    if stored is not None and is_free(stored):
        return stored
    port = pick_free()
    write_private(path, str(port))
    return port


def is_free(port: int) -> bool:
    """Test whether a server could listen on this loopback port now."""
    with socket.socket() as candidate:
        # Recently closed connections keep a port busy for a minute; servers ignore them too.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


def pick_free() -> int:
    """Return a free loopback port that no outgoing connection will take."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if is_free(port):
            return port
