"""The outbox of cache invalidations, and the cache's control row."""

from pathlib import Path

from alembic import op

revision = "0007_guarded_cache"
down_revision = "0006_job_queue"


def upgrade() -> None:
    for suffix in (".sql", ".generated.sql"):
        sql = Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
        op.get_context().impl.static_output(sql)
