"""The cache stays closed while triggers that invalidate it do not work."""

from pathlib import Path

from alembic import op

revision = "0012_blocked_cache"
down_revision = "0011_prisma_types"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
