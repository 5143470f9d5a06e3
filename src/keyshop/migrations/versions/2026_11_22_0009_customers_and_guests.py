"""Accounts, tokens, rate limits, guests, mails and the journal."""

from pathlib import Path

from alembic import op

revision = "0009_customers_and_guests"
down_revision = "0008_attachment"


def upgrade() -> None:
    for suffix in (".sql", ".generated.sql"):
        sql = Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
        op.get_context().impl.static_output(sql)
