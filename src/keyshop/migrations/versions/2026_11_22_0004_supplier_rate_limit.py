"""A row that all processes share to keep to the supplier's rate limit."""

from pathlib import Path

from alembic import op

revision = "0004_supplier_rate_limit"
down_revision = "0003_supplier_catalogue"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
