"""What explains a customer's balance, line by line."""

from decimal import Decimal

from msgspec import Struct

from keyshop.kit.database.transaction import Reader
from keyshop.wallet import statement_queries
from keyshop.wallet.statement_queries import OddTopUp, StatementLine


class Statement(Struct, frozen=True, kw_only=True):
    """A customer's balance, and the lines that it must be the sum of."""

    user_id: str
    balance: Decimal
    explained: Decimal
    """The sum of all lines; other than the balance, something is wrong."""

    unadopted: Decimal
    """What other programs changed in the balance without rows for it, or in rows alone."""

    lines: list[StatementLine]
    odd_top_ups: list[OddTopUp]
    """Top-ups that an operator must look at."""


async def show_statement(reader: Reader, user_id: str) -> Statement:
    """Return the statement of an account that exists."""
    balance, lines = await statement_queries.list_lines(reader, user_id)
    open_changes = [line for line in lines if line.is_foreign and line.adopted_by is None]
    return Statement(
        user_id=user_id,
        balance=balance,
        explained=sum((line.amount for line in lines), Decimal(0)),
        unadopted=sum((line.amount - line.ledger_amount for line in open_changes), Decimal(0)),
        lines=lines,
        odd_top_ups=await statement_queries.list_odd_top_ups(reader, user_id),
    )
