"""Writes games through `merge_games`: a few at a time, or hundreds."""

from collections.abc import Sequence
from decimal import Decimal

from keyshop.catalog.merge import merge_games
from keyshop.catalog.models import Offer, SupplierGame
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.consistency.keys import Key, Kind, of_kind
from tests.consistency.writers.config import Writing, price_of, version_of
from tests.consistency.writers.in_transaction import Versions, write_in_transaction

# Locked first: a killed writer's COMMIT may still be in flight, and the version must be the next one.
_LOCK = """
    SELECT id, price FROM games WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""
_MAX_OF_A_FEW = 3


class MergeWriter:
    """Merges offers into the catalogue, one transaction for each write."""

    def __init__(self, writing: Writing, db: Database) -> None:
        self._writing = writing
        self._db = db
        self._keys = of_kind(writing.config.kind)

    async def write(self) -> None:
        """Give some games their next version."""
        keys = self._choose()

        async def choose(tx: Transaction) -> Versions:
            return await _next_versions(tx, keys)

        async def change(tx: Transaction, versions: Versions) -> None:
            offers = [_offer(key, versions[key.number]) for key in keys]
            await merge_games(tx, offers, now=utc_now())

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)

    def _choose(self) -> Sequence[Key]:
        if self._writing.config.kind is Kind.BULK:
            return self._keys
        dice = self._writing.dice
        return dice.sample(self._keys, dice.randint(1, _MAX_OF_A_FEW))


async def _next_versions(tx: Transaction, keys: Sequence[Key]) -> Versions:
    prices: dict[str, Decimal] = {
        record["id"]: record["price"] for record in await tx.fetch(_LOCK, [key.id for key in keys])
    }
    return {key.number: version_of(prices[key.id]) + 1 for key in keys}


def _offer(key: Key, version: int) -> SupplierGame:
    price = price_of(version)
    offer = Offer(
        product_id=key.product_id,
        price=price,
        in_stock=True,
        qty=10,
        available_to_buy=True,
        min_price=price,
        retail_min_price=price,
        retail_min_base_price=price,
    )
    return SupplierGame(offer=offer, description=None)
