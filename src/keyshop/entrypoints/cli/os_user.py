"""Who sits at the terminal."""

import os
import pwd


def get_os_user() -> str:
    """Return the name of the account that runs this process, whatever the environment says."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        # In a container, a number may be all there is.
        return f"uid {number}"
