"""The loopback port of a server: chosen once, remembered in its folder, kept while it is free."""

import secrets
import socket
from pathlib import Path

from keyshop.embedded.folder import write_private

HOST = "127.0.0.1"

# Below the range that systems give to outgoing connections, so that none of those takes the port
# while the server is down.
_FIRST, _LAST = 20_000, 32_000


def find_port(path: Path) -> int | None:
    """Return the port that the file remembers, or None when there is none or it is no port."""
    try:
        port = int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if 0 < port < 65_536 else None


def choose_port(path: Path) -> int:
    """Return the remembered port if it is free, else a new one, which is remembered."""
    remembered = find_port(path)
    if remembered is not None and is_free(remembered):
        return remembered
    port = pick_free()
    write_private(path, str(port))
    return port


def is_free(port: int) -> bool:
    """Test whether a server could listen on this loopback port now."""
    with socket.socket() as candidate:
        # Connections that ended lately keep a port busy for a minute; servers ignore those too.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


def pick_free() -> int:
    """Return a loopback port that nobody listens on, and that no outgoing connection will take."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if is_free(port):
            return port
