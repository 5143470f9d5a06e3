"""The job queue, and the schedule's ticks."""

from pathlib import Path

from alembic import op

revision = "0006_job_queue"
down_revision = "0005_search_and_filters"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
