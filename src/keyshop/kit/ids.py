"""Identifiers of rows."""

from uuid import uuid4


def new_id() -> str:
    """Return a new random id in the form of Prisma's client: the text of a UUID v4."""
    return str(uuid4())
