"""What a log line says about a run."""

from keyshop.sync.models import Run


def log_fields(run: Run) -> dict[str, object]:
    ended = run.finished_at or run.started_at
    return {
        "run_id": run.id,
        "kind": run.kind,
        "outcome": run.state,
        "reason": run.reason,
        "seconds": round((ended - run.started_at).total_seconds(), 3),
        "total": run.total,
        "pages": run.pages,
        "pages_failed": run.pages_failed,
        "products": run.products,
        "rejected": run.rejected,
        "added": run.added,
        "updated": run.updated,
        "unseen": run.unseen,
    }
