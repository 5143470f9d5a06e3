"""The name of this machine among those that share a database."""

import secrets
from pathlib import Path
from typing import Final

from keyshop.embedded.folder import make_home, write_private
from keyshop.embedded.locks import exclusive_lock

_FILE: Final = "machine"


def read_machine(home: Path) -> str:
    """Return the random id of this home, which is drawn once; all its processes have the same."""
    path = home / _FILE
    if not path.exists():
        make_home(home)
        with exclusive_lock(home / f"{_FILE}.lock"):
            if not path.exists():
                write_private(path, secrets.token_hex(8))
    return path.read_text()
