"""
The guardian of one server: waits until its last user has gone, then stops it.

It is a process of its own, because a user that is killed cannot clean up. Every process that uses
the server holds a shared lock; the guardian waits for the exclusive one.
"""

import os
import signal
import sys
from pathlib import Path

from keyshop.embedded.folder import open_log
from keyshop.embedded.locks import acquire_exclusive, open_lock, try_acquire_exclusive
from keyshop.embedded.processes import Program, has_ended, spawn_detached, stop_running
from keyshop.embedded.run_as import OsAccount, python_environment

USERS_LOCK = "users.lock"
_GUARDIAN_LOCK = "guardian.lock"
_MODULE = "keyshop.embedded.guardian"
_END_TIMEOUT = 3.0


def ensure_guardian(folder: Path, program: Program) -> None:
    """Start a guardian unless one runs. The caller must use the server and hold the start lock."""
    lock = open_lock(folder / _GUARDIAN_LOCK)
    try:
        if try_acquire_exclusive(lock):
            # The guardian inherits the lock, so there is no moment without an owner.
            _spawn(folder, program, lock)
    finally:
        os.close(lock)


def wait_for_guardian_to_end(folder: Path) -> None:
    """
    Wait until the guardian has ended, as it does after the last user has left.

    Returns after three seconds in any case: a new user may have come, whose guardian stays.
    """
    has_ended(_guardian_of(folder), within_seconds=_END_TIMEOUT)


def _guardian_of(folder: Path) -> Program:
    return Program(f"-m {_MODULE}", str(folder), signal.SIGTERM, timeout_seconds=_END_TIMEOUT)


def _spawn(folder: Path, program: Program, lock: int) -> None:
    # In another order, this command line could be taken for that of the server.
    arguments = [
        str(folder),
        program.argument,
        program.command,
        program.stop_signal.name,
        str(program.timeout_seconds),
        str(lock),
    ]
    log = open_log(folder / "guardian.log")
    try:
        spawn_detached(
            [sys.executable, "-m", _MODULE, *arguments],
            account=OsAccount(),
            log=log,
            environment=python_environment(),
            pass_fds=(lock,),
        )
    finally:
        os.close(log)


def main() -> None:
    """Stop the server that the arguments name once it has no users."""
    folder, argument, command, stop_signal, timeout, lock = sys.argv[1:]
    program = Program(command, argument, signal.Signals[stop_signal], float(timeout))
    users = open_lock(Path(folder) / USERS_LOCK)
    acquire_exclusive(users)
    try:
        stop_running(program)
    finally:
        # Before the users' lock is freed: a new user would take this process for a live guardian.
        os.close(int(lock))


if __name__ == "__main__":
    main()
