"""Rows of the sync's own tables, and pages that could not be read."""

from datetime import datetime

from msgspec import Struct

from keyshop.sync.rules import RunKind, RunState


class Run(Struct, kw_only=True):
    """One run with its counts. Times are UTC; `write_seconds` is the time spent in PostgreSQL."""

    id: str
    kind: RunKind
    state: RunState
    started_at: datetime
    finished_at: datetime | None = None
    total: int | None = None
    pages: int = 0
    pages_failed: int = 0
    products: int = 0
    rejected: int = 0
    added: int = 0
    updated: int = 0
    relinked: int = 0
    unknown: int = 0
    genres_created: int = 0
    platforms_created: int = 0
    categories_created: int = 0
    write_seconds: float = 0.0
    unseen: int | None = None
    reason: str | None = None


class RunError(Struct, frozen=True):
    """An error of a run; without a page it concerns the whole run."""

    page: int | None
    reason: str
    created_at: datetime


class QuarantinedEntry(Struct, frozen=True):
    """An entry of the supplier's list that was rejected; its id is empty where it had none."""

    product_id: str
    reason: str
    page: int | None
    first_seen_at: datetime
    last_seen_at: datetime


class LostPage(Struct, frozen=True):
    """A page that could not be read, with the supplier's error as a sentence."""

    number: int
    reason: str


class RunTotals(Struct, frozen=True):
    """The counts of all runs of one kind in one state, added up; those that run have not finished."""

    kind: str
    state: str
    runs: int
    added: int
    updated: int
    products: int
    rejected: int
    finished_at: datetime | None
