"""Identifiers of rows."""

from uuid import uuid4


def new_id() -> str:
    """Return a fresh random id in the form that Prisma's client gives: the text of a UUID v4."""
    return str(uuid4())
