"""Writes a buyer's money and orders with the operations of the shop."""

from typing import Final

from keyshop.assembly import Shop
from keyshop.kit.clock import utc_now
from keyshop.kit.database.transaction import Transaction
from keyshop.wallet import ledger
from keyshop.wallet.models import Payment
from tests.consistency.contents import user_of
from tests.consistency.keys import (
    FIRST_VERSION,
    Family,
    Key,
    Kind,
    choose_personal,
    keys_of,
    of_kind,
)
from tests.consistency.wallets import (
    CENT,
    KEY_PRICE,
    UNITS,
    Step,
    holdings_of,
    step_after,
)
from tests.consistency.writers.config import Writing
from tests.consistency.writers.in_transaction import Versions, write_in_transaction

_COUNT: Final = 'SELECT count(*) FROM transactions WHERE "userId" = $1'
_CREDIT: Final = Payment(method="operator", description="Consistency check")


class BuyerWriter:
    """Makes the next step of one buyer."""

    def __init__(self, writing: Writing, shop: Shop) -> None:
        self._writing = writing
        self._shop = shop
        self._keys = of_kind(Kind.BUYER)

    async def write(self) -> None:
        """Write the next version of one buyer's data."""
        keys = keys_of(choose_personal(self._writing.dice, self._keys).owner)
        new = 0

        async def choose(tx: Transaction) -> Versions:
            nonlocal new
            new = await _lock_version(tx, keys[Family.BALANCE]) + 1
            return _versions(keys, new)

        async def change(tx: Transaction, versions: Versions) -> None:
            await self._step(tx, keys[Family.BALANCE], new)
            written = versions[keys[Family.BALANCE].number]
            await self._credit(tx, keys[Family.BALANCE], new, written)

        await write_in_transaction(self._writing, self._shop.db, choose=choose, change=change)

    async def _step(self, tx: Transaction, key: Key, new: int) -> None:
        step, user, now = step_after(new - 1), user_of(key.owner), utc_now()
        if step is Step.ORDER:
            await ledger.debit(
                tx, user_id=user, amount=UNITS * KEY_PRICE, description="Order", now=now
            )
        elif step in {Step.REFUND, Step.SECOND_REFUND}:
            await ledger.refund(tx, user_id=user, amount=KEY_PRICE, description="Refund", now=now)
        else:
            await ledger.credit(tx, user_id=user, amount=CENT, payment=_CREDIT, now=now)

    async def _credit(self, tx: Transaction, key: Key, new: int, written: int) -> None:
        """Credit what a version that is rolled back has above the next one."""
        if written > new:
            cents = holdings_of(key.kind, written).cents - holdings_of(key.kind, new).cents
            await ledger.credit(
                tx, user_id=user_of(key.owner), amount=cents * CENT, payment=_CREDIT, now=utc_now()
            )


async def _lock_version(tx: Transaction, key: Key) -> int:
    """Lock the buyer, and return the version that the rows of the ledger are."""
    user = user_of(key.owner)
    await ledger.lock_wallet(tx, user)
    rows: int = await tx.fetchval(_COUNT, user)
    return FIRST_VERSION + rows - 1


def _versions(keys: dict[Family, Key], new: int) -> Versions:
    return {key.number: new for key in keys.values()}
