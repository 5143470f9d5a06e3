"""The operating system's account behind a command; the journal names it as the actor."""

import os
import pwd


def get_os_user() -> str:
    """Return the name of the account that runs this process; variables such as USER are ignored."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        # In a container, an account may have a number and no name.
        return f"uid {number}"
