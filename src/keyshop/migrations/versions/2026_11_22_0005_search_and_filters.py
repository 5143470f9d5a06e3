"""Narrow copies of the games for filters and search, kept up to date by triggers."""

from pathlib import Path

from alembic import op

revision = "0005_search_and_filters"
down_revision = "0004_supplier_rate_limit"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
