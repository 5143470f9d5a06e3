"""Processes on this machine."""

import os


def is_living(pid: int) -> bool:
    """Test whether a process has this pid, even another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
