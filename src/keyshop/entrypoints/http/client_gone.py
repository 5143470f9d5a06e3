"""Clients that hang up while they send a request, which is no failure of the shop."""

from typing import Any, Final, cast

from litestar.types import HTTPScope, Scope

CLIENT_GONE: Final = 499
"""The status in the figures, as nginx counts it; no client receives it."""

_KEY: Final = "keyshop_client_gone"


def note_client_gone(scope: HTTPScope) -> None:
    """Note that the rest of the request's body never arrives."""
    cast("dict[str, Any]", scope)[_KEY] = True


def is_client_gone(scope: Scope) -> bool:
    """Test whether the client hung up before its body had arrived."""
    return _KEY in scope
