"""How many files and connections this process may have open."""

import resource


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the soft limit of descriptors to `wanted`, or the hard limit, and return what holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
