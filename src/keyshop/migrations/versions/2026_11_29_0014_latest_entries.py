"""The latest entries of the catalogue are read in the order of an index."""

from pathlib import Path

from alembic import op

revision = "0014_latest_entries"
down_revision = "0013_deleted_sync_runs"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
