"""The supplier's data of each game, and a record of every synchronisation."""

from pathlib import Path

from alembic import op

revision = "0003_supplier_catalogue"
down_revision = "0002_reverse_indexes"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_context().impl.static_output(sql)
