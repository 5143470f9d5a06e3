"""Indexes that find the games of a genre or platform, and the carts that hold a game."""

from pathlib import Path

from alembic import op

revision = "0002_reverse_indexes"
down_revision = "0001_prisma_tables"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
