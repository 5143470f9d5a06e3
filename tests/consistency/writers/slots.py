"""Writes games that come and go: inserts an absent one, deletes a present one."""

from decimal import Decimal
from time import monotonic_ns

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.consistency.games import add_watched_game
from tests.consistency.keys import Kind, of_kind
from tests.consistency.writers.config import Writing, price_of, version_of
from tests.consistency.writers.in_transaction import Versions, write_in_transaction

_FIND = "SELECT price FROM games WHERE id = $1 FOR UPDATE"
_DELETE = "DELETE FROM games WHERE id = $1"


class SlotWriter:
    """Inserts or deletes one slot, one transaction for each write."""

    def __init__(self, writing: Writing, db: Database) -> None:
        self._writing = writing
        self._db = db
        self._slots = of_kind(Kind.SLOT)

    async def write(self) -> None:
        """Insert or delete one slot."""
        slot = self._writing.dice.choice(self._slots)
        price: Decimal | None = None

        async def choose(tx: Transaction) -> Versions:
            nonlocal price
            price = await tx.fetchval(_FIND, slot.id)
            return {slot.number: self._next_version(price)}

        async def change(tx: Transaction, versions: Versions) -> None:
            if price is not None:
                await tx.execute(_DELETE, slot.id)
            else:
                await add_watched_game(tx, slot, price=price_of(versions[slot.number]))

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)

    def _next_version(self, price: Decimal | None) -> int:
        if price is not None:
            return version_of(price) + 1
        # The price of a deleted game is lost, so the clock makes sure that versions rise.
        return 2 * ((monotonic_ns() - self._writing.config.began) // 1_000_000 + 1)
