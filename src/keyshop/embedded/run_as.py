"""
The account that a server runs as: never root, so root must find another account for it.

The first choice is an unprivileged account of the system that can reach both the server's folder
and its binaries. Below a home that is closed to others there is none; then a user namespace makes
root look like an ordinary account to the server. The modes of parent folders are never changed.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keyshop.embedded.errors import EmbeddedServerError

_UNPRIVILEGED = "nobody"
# Where programs and their libraries are found. TMPDIR and TZ change no secret and no address.
_PLAIN_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZ")
_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


@dataclass(frozen=True)
class OsAccount:
    """How a program is started so that it runs as this account; by default, as the current one."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """The supplementary groups: none for another account, unchanged for the current one."""
        return None if self.uid is None else []

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a program as this account, wait for its end and return its output."""
        return subprocess.run(
            [*self.prefix, *command],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd="/",
            umask=0o077,
            env=plain_environment(),
            user=self.uid,
            group=self.gid,
            extra_groups=self.extra_groups,
        )

    def chown_tree(self, path: Path) -> None:
        """Make the account the owner of this path and everything below it."""
        if os.geteuid() != 0:
            return
        uid, gid = self.uid or 0, self.gid or 0
        if path.stat().st_uid == uid:
            return
        for folder, _, files in os.walk(path):
            for name in files:
                os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
            if Path(folder) != path:
                os.chown(folder, uid, gid, follow_symlinks=False)
        # Last, because its owner shows whether all of this has been done.
        os.chown(path, uid, gid)


def choose_account(*, data: Path, program: Path) -> OsAccount:
    """
    Return an account that can run this program on this data folder, which need not exist yet.

    If the folder belongs to an ordinary account, that one is tried first.

    Raises:
        EmbeddedServerError: this is root, and neither another account nor a user namespace works.
    """
    if os.geteuid() != 0:
        return OsAccount()
    for account in (_find_owner(data), _find_unprivileged(), OsAccount(prefix=_NAMESPACE)):
        if account is not None and _can_use(account, folder=data.parent, program=program):
            return account
    raise EmbeddedServerError(
        f"No server runs as root, and the account {_UNPRIVILEGED} cannot reach both "
        f"{data.parent} and {program}: set KEYSHOP_HOME to a folder that every account may pass "
        "through, or start keyshop from an ordinary account."
    )


def plain_environment(*names: str) -> dict[str, str]:
    """
    Return the few variables that a program needs to run, and those that are named.

    The settings, which hold the shop's secrets, are not among them: other accounts may be able to
    read a server's environment.
    """
    kept = {name: os.environ[name] for name in (*_PLAIN_VARIABLES, *names) if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def python_environment() -> dict[str, str]:
    """Return the few variables that a Python program of ours needs to run."""
    return plain_environment("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def _find_owner(data: Path) -> OsAccount | None:
    try:
        owner = data.stat()
    except FileNotFoundError:
        return None
    return OsAccount(uid=owner.st_uid, gid=owner.st_gid) if owner.st_uid else None


def _find_unprivileged() -> OsAccount | None:
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        return None
    return OsAccount(uid=entry.pw_uid, gid=entry.pw_gid)


def _can_use(account: OsAccount, *, folder: Path, program: Path) -> bool:
    # Tried, not computed: modes, mounts, containers and security policies all matter.
    try:
        return not (
            account.run(["test", "-x", folder]).returncode
            or account.run([program, "--version"]).returncode
        )
    except OSError:
        return False
