"""The shop's tables in schema public, as Prisma makes them."""

from pathlib import Path

from alembic import op

revision = "0001_prisma_tables"
down_revision = None


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
