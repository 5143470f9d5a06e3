"""Request headers, read from the ASGI scope without building an object for all of them."""

from litestar.types import HTTPScope


def find_header(scope: HTTPScope, name: bytes) -> bytes | None:
    """Return the first header of this name, which must be in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return value
    return None


def list_headers(scope: HTTPScope, name: bytes) -> list[bytes]:
    """Return all headers of this name, which must be in lower case, as they were sent."""
    return [value for key, value in scope["headers"] if key == name]
