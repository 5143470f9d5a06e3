"""What listens on this machine's TCP ports, as the kernel tells it (Linux; elsewhere unknown)."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"

Address = tuple[str, int]


def list_listening(pid: int) -> set[Address]:
    """Return the addresses and ports that this process listens on; empty where that is unknown."""
    inodes = _socket_inodes(pid)
    return {address for inode, address in _listening_sockets() if inode in inodes}


def describe_listener(port: int) -> str:
    """Name the program that listens on this port, for a message."""
    inodes = {inode for inode, (_, found) in _listening_sockets() if found == port}
    if inodes:
        for entry in _PROC.iterdir():
            if entry.name.isdecimal() and inodes & _socket_inodes(int(entry.name)):
                return f"{_name_of(entry)} (process {entry.name})"
    return "another program"


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip() or "a program"
    except OSError:
        return "a program"


def _listening_sockets() -> Iterator[tuple[str, Address]]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *others = line.split()
            if state == _LISTENING:
                host, _, port = local.partition(":")
                yield others[5], (_to_host(host), int(port, 16))


def _to_host(text: str) -> str:
    # The kernel prints words of 32 bits in this machine's own byte order.
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _socket_inodes(pid: int) -> set[str]:
    found = set()
    # What cannot be read has ended, or is of another account.
    with suppress(OSError):
        for entry in os.scandir(_PROC / str(pid) / "fd"):
            with suppress(OSError):
                target = str(Path(entry.path).readlink())
                if target.startswith("socket:["):
                    found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found
