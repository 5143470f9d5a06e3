"""What can go wrong with a server of our own, each as a sentence that says what to do."""

from keyshop.kit.errors import Unavailable


class EmbeddedServerError(Unavailable):
    """An embedded server is not there, cannot run here, or did not come up."""
