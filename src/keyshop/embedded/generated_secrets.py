"""Secrets that nobody gave: made once, and the same for every process of the home from then on."""

import os
import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from keyshop.embedded.folder import make_home, write_private
from keyshop.embedded.locks import exclusive_lock
from keyshop.kit.errors import Conflict
from keyshop.kit.secrets import Secret

_FILE: Final = "secrets.json"
_MIN_LENGTH: Final = 32  # characters


class SecretsRefused(Conflict):
    """The file of generated secrets cannot be used as it is."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(
            f"{path} {fault}; put back the copy that you have of it, or move it away to have new"
            " secrets made: everybody has to sign in again then."
        )


def _random_text() -> str:
    return secrets.token_urlsafe(48)


# How each secret is made that may be missing, by its variable's name.
_MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "JWT_SECRET": _random_text,
    "JWT_REFRESH_SECRET": _random_text,
}


def generate_secrets(home: Path, names: Collection[str]) -> dict[str, Secret]:
    """
    Return these secrets of the home; those that it does not have are made and kept.

    Processes that start at once get the same ones.

    Raises:
        SecretsRefused: the file that keeps them is damaged, or is another account's.
    """
    if not names:
        # A shop that was given all of them goes on without a file, and beside a damaged one.
        return {}
    path = home / _FILE
    kept = _read(path)
    if not kept.keys() >= set(names):
        make_home(home)
        with exclusive_lock(home / "secrets.lock"):
            # Another process may have made them since.
            kept = _read(path)
            missing = {name: _MAKERS[name]() for name in names if name not in kept}
            if missing:
                kept |= missing
                _write(path, kept)
    return {name: Secret(kept[name]) for name in names}


def _read(path: Path) -> dict[str, str]:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SecretsRefused(path, f"cannot be read ({error.strerror})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Whatever the library says may repeat a part of the file.
        raise SecretsRefused(path, "is damaged") from None
    if any(len(value) < _MIN_LENGTH for value in kept.values()):
        raise SecretsRefused(path, "holds a secret that is too short")
    return kept


def _write(path: Path, kept: Mapping[str, str]) -> None:
    text = msgspec.json.format(msgspec.json.encode(kept), indent=2).decode()
    write_private(path, f"{text}\n")
    # After a power cut there are the old secrets or the new ones, never half a file.
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
