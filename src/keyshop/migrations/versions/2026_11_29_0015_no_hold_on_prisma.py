"""Nothing of keyshop holds Prisma's columns, types and keys, or makes its writes fail."""

from pathlib import Path

from alembic import op

revision = "0015_no_hold_on_prisma"
down_revision = "0014_latest_entries"


def upgrade() -> None:
    for suffix in (".sql", ".generated.sql"):
        sql = Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
        op.get_context().impl.static_output(sql)
