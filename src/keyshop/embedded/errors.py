"""Errors of the embedded servers; each message says what to do."""

from keyshop.kit.errors import Unavailable


class EmbeddedServerError(Unavailable):
    """An embedded server is not installed, cannot run here, or did not start."""
