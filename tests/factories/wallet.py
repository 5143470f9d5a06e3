"""Customers with money, and what the books then say of them."""

from decimal import Decimal
from typing import Any

from asyncpg import Record

from keyshop.kit.database.pool import Database
from keyshop.wallet import ledger
from keyshop.wallet.models import Payment
from tests.factories.baskets import make_user
from tests.factories.games import NOON

_BALANCE = "SELECT balance::numeric FROM users WHERE id = $1"
_LEDGER = """
    SELECT id, type::text, amount, method, status::text, description, currency, "orderId",
        "transactionHash", "gatewayResponse", "createdAt"
    FROM transactions WHERE "userId" = $1 ORDER BY "createdAt", ctid
"""


async def make_customer(db: Database, balance: str = "100.00", user_id: str | None = None) -> str:
    """Store a customer who has paid in that amount, and return the id."""
    user_id = (await make_user(db, user_id)).user_id
    assert user_id is not None
    if Decimal(balance):
        await give(db, user_id, balance)
    return user_id


async def give(db: Database, user_id: str, amount: str) -> None:
    """Pay an amount in."""
    payment = Payment(method="card", description="Top-up")
    async with db.transaction() as tx:
        await ledger.lock_wallet(tx, user_id)
        await ledger.credit(tx, user_id=user_id, amount=Decimal(amount), payment=payment, now=NOON)


async def set_balance(db: Database, user_id: str, balance: str) -> None:
    """Change the balance as another program does, with no row in the ledger."""
    async with db.transaction() as tx:
        sql = "UPDATE users SET balance = $2::text::numeric WHERE id = $1"
        assert await tx.execute(sql, user_id, balance) == 1


async def balance_of(db: Database, user_id: str) -> Decimal:
    """Return what is stored as the customer's balance."""
    async with db.read() as reader:
        balance: Decimal = await reader.fetchval(_BALANCE, user_id)
    return balance


async def ledger_of(db: Database, user_id: str) -> list[Record]:
    """Return all rows of the customer's ledger, the first one first."""
    async with db.read() as reader:
        return await reader.fetch(_LEDGER, user_id)


async def sum_of_ledger(db: Database, user_id: str) -> Any:
    """Return the sum of the customer's ledger."""
    return sum((entry["amount"] for entry in await ledger_of(db, user_id)), Decimal(0))
