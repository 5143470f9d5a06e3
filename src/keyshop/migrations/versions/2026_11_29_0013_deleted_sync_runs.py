"""What deleted sync runs had counted, so that the totals in /metrics never fall."""

from pathlib import Path

from alembic import op

revision = "0013_deleted_sync_runs"
down_revision = "0012_blocked_cache"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
