"""The data folder of the embedded PostgreSQL: its creation, and its repair after a crash."""

import os
import secrets
import shlex
import shutil
import stat
from pathlib import Path

from keyshop.embedded.binaries import get_postgres_program
from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.folder import write_private
from keyshop.embedded.processes import Program, list_running
from keyshop.embedded.run_as import OsAccount
from keyshop.kit.processes import is_living

MAJOR_VERSION = "18"

_MAX_MODE = 0o750


def make_data(data: Path, *, user: str, password: str, account: OsAccount) -> None:
    """
    Create the data folder with one superuser, who has this password.

    It is built under another name and renamed when complete: a half-built one would look like a
    database and never start.

    Raises:
        EmbeddedServerError: PostgreSQL could not create it.
    """
    _remove_leftovers(data)
    # A unique name, because the initdb of an interrupted start may still be writing.
    aside = data.with_name(f"{data.name}.new-{secrets.token_hex(4)}")
    password_file = data.with_name(f"{data.name}.new-password")
    aside.mkdir(mode=0o700)
    write_private(password_file, password)
    try:
        account.chown_tree(aside)
        account.chown_tree(password_file)
        _initialise(aside, user=user, password_file=password_file, account=account)
    finally:
        password_file.unlink()
    aside.rename(data)


def check_data(data: Path, *, password_file: Path) -> None:
    """
    Refuse a data folder that this PostgreSQL cannot use.

    Raises:
        EmbeddedServerError: another major version created it, its password is missing, or its mode
            lets other accounts in.
    """
    if not password_file.exists():
        raise EmbeddedServerError(
            f"The password of the data in {data} is missing: restore the file {password_file}, "
            "or choose another KEYSHOP_HOME."
        )
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise EmbeddedServerError(
            f"The data in {data} was created by PostgreSQL {found}, and this is version "
            f"{MAJOR_VERSION}: dump it with the old version, or choose another KEYSHOP_HOME."
        )
    _check_mode(data)


def _check_mode(data: Path) -> None:
    mode = stat.S_IMODE(data.stat().st_mode)
    # As PostgreSQL itself, which would refuse it only when it has started.
    if mode & ~_MAX_MODE & 0o777:
        raise EmbeddedServerError(
            f"The data in {data} is open to other accounts (mode {mode:o}): "
            f"run chmod 700 {shlex.quote(str(data))}, after you have looked who may have changed it."
        )


def take_over_pid_file(data: Path, *, program: Program) -> None:
    """
    Write this process's pid into a pid file that a crash left behind.

    PostgreSQL refuses to start if another process has the pid in that file, and pids are reused.
    The file itself must stay: from its other lines PostgreSQL learns whether processes of the
    crashed server still write to the data.
    """
    path = data / "postmaster.pid"
    if not path.exists() or list_running(program):
        return
    first, *others = path.read_text(errors="replace").split("\n")
    if not first.strip().isdecimal():
        path.unlink()
    elif is_living(int(first)):
        # PostgreSQL ignores its parent's pid in this file, and this process will be its parent.
        path.write_text("\n".join([str(os.getpid()), *others]))


def _initialise(aside: Path, *, user: str, password_file: Path, account: OsAccount) -> None:
    done = account.run(
        [
            get_postgres_program("initdb"),
            f"--pgdata={aside}",
            f"--username={user}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
            "--no-instructions",
        ]
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise EmbeddedServerError(
            f"The embedded PostgreSQL could not create its data in {aside.parent}: "
            f"{' '.join(reason)}"
        )


def _remove_leftovers(data: Path) -> None:
    for leftover in data.parent.glob(f"{data.name}.new-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink()
