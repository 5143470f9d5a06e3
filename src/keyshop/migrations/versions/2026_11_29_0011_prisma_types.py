"""Functions that take a column's value whatever its type, so that Prisma can recreate its enums."""

from pathlib import Path

from alembic import op

revision = "0011_prisma_types"
down_revision = "0009_customers_and_guests"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
