"""Processes of this machine."""

import os


def is_living(pid: int) -> bool:
    """Test whether any process, ours or not, has this pid now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
