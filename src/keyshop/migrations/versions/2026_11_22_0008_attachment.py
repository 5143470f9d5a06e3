"""Whether the database was attached, its opening balances, and the expected triggers."""

from pathlib import Path

from alembic import op

revision = "0008_attachment"
down_revision = "0007_guarded_cache"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
