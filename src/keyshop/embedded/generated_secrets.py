"""Secrets that the settings lack: generated once for a home, and shared by all its processes."""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from keyshop.embedded.folder import make_home, write_private
from keyshop.embedded.locks import exclusive_lock
from keyshop.kit.errors import Conflict
from keyshop.kit.sealing import KEY_LENGTH
from keyshop.kit.secrets import Secret

_FILE: Final = "secrets.json"
_MIN_LENGTH: Final = 32  # characters


class SecretsRefused(Conflict):
    """The file of generated secrets cannot be used as it is."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(
            f"{path} {fault}; restore it from a backup. Without one, move it away to generate new"
            " secrets: all customers must then sign in again, and sealed game keys are lost."
        )


def _random_text() -> str:
    return secrets.token_urlsafe(48)


def _random_encryption_key() -> str:
    return f"1:{b64encode(secrets.token_bytes(KEY_LENGTH)).decode()}"


# The generator of each secret, by its variable's name.
_GENERATORS: Final[Mapping[str, Callable[[], str]]] = {
    "JWT_SECRET": _random_text,
    "JWT_REFRESH_SECRET": _random_text,
    "KEY_ENCRYPTION_KEYS": _random_encryption_key,
    "PAYMENT_WEBHOOK_SECRETS": _random_text,
}


def generate_secrets(home: Path, names: Collection[str]) -> dict[str, Secret]:
    """
    Return these secrets of the home; missing ones are generated and stored.

    Processes that start at the same moment get the same secrets.

    Raises:
        SecretsRefused: their file is damaged, or belongs to another account.
    """
    if not names:
        # With all secrets in its settings, a shop needs no file and ignores a damaged one.
        return {}
    path = home / _FILE
    stored = _read(path)
    if not stored.keys() >= set(names):
        make_home(home)
        with exclusive_lock(home / "secrets.lock"):
            # Another process may have generated them meanwhile.
            stored = _read(path)
            missing = {name: _GENERATORS[name]() for name in names if name not in stored}
            if missing:
                stored |= missing
                _write(path, stored)
    return {name: Secret(stored[name]) for name in names}


def _read(path: Path) -> dict[str, str]:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SecretsRefused(path, f"cannot be read ({error.strerror})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # The library's message may repeat a part of the file.
        raise SecretsRefused(path, "is damaged") from None
    if any(len(value) < _MIN_LENGTH for value in stored.values()):
        raise SecretsRefused(path, "holds a secret that is too short")
    return stored


def _write(path: Path, stored: Mapping[str, str]) -> None:
    text = msgspec.json.format(msgspec.json.encode(stored), indent=2).decode()
    write_private(path, f"{text}\n")
    # After a power cut the file holds the old secrets or the new ones, never a part.
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
