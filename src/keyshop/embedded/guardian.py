"""
The guardian of one server: waits until its last user is gone, then stops it.

It is a process of its own, because a user that is killed cannot clean up. Whoever uses the server
holds a shared lock; the guardian waits to hold that lock alone.
"""

import os
import signal
import sys
from pathlib import Path

from keyshop.embedded.folder import open_log
from keyshop.embedded.locks import may_take_alone, open_lock, take_alone
from keyshop.embedded.processes import Program, spawn_detached, stop_running
from keyshop.embedded.run_as import Account

USERS_LOCK = "users.lock"
GUARDIAN_LOCK = "guardian.lock"


def ensure_guardian(folder: Path, program: Program) -> None:
    """Start a guardian unless one is there. The caller must use the server and hold the start lock."""
    lock = open_lock(folder / GUARDIAN_LOCK)
    try:
        if may_take_alone(lock):
            # The guardian inherits the lock, so there is no moment without an owner.
            _spawn(folder, program, lock)
    finally:
        os.close(lock)


def has_guardian(folder: Path) -> bool:
    """Test whether a guardian is there. The caller must hold the start lock."""
    lock = open_lock(folder / GUARDIAN_LOCK)
    try:
        return not may_take_alone(lock)
    finally:
        os.close(lock)


def _spawn(folder: Path, program: Program, lock: int) -> None:
    arguments = [
        str(folder),
        program.name,
        program.argument,
        program.stop_signal.name,
        str(program.patience_seconds),
        str(lock),
    ]
    log = open_log(folder / "guardian.log")
    try:
        spawn_detached(
            [sys.executable, "-m", "keyshop.embedded.guardian", *arguments],
            account=Account(),
            log=log,
            environment=dict(os.environ),
            pass_fds=(lock,),
        )
    finally:
        os.close(log)


def main() -> None:
    """Guard the server that the arguments name, until nobody uses it."""
    folder, name, argument, stop_signal, patience, lock = sys.argv[1:]
    program = Program(name, argument, signal.Signals[stop_signal], float(patience))
    users = open_lock(Path(folder) / USERS_LOCK)
    take_alone(users)
    try:
        stop_running(program)
    finally:
        # Before the users' lock is free, else a new user would take us for a living guardian.
        os.close(int(lock))


if __name__ == "__main__":
    main()
