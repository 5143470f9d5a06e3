"""Orders, keys and money: units, refunds, the wallet and the vault."""

from pathlib import Path

from alembic import op

revision = "0016_orders_and_money"
down_revision = "0015_no_hold_on_prisma"


def upgrade() -> None:
    for suffix in (".sql", ".generated.sql"):
        sql = Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
        op.get_context().impl.static_output(sql)
