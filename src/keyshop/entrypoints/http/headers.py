"""Single headers of a request, looked up without building anything of the rest."""

from litestar.types import HTTPScope


def find_header(scope: HTTPScope, name: bytes) -> bytes | None:
    """Return the first header of that name (in lower case), if there is one."""
    for found, value in scope["headers"]:
        if found == name:
            return value
    return None


def list_headers(scope: HTTPScope, name: bytes) -> list[bytes]:
    """Return all headers of that name (in lower case), in the order they were sent."""
    return [value for found, value in scope["headers"] if found == name]
