"""Promo codes in the database; a test names only the columns that matter to it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.promotions.models import Promo
from keyshop.promotions.queries import find_promo
from tests.factories.games import NOON


async def make_promo(db: Database, **overrides: Any) -> Promo:
    """Store a promo code of ten percent, valid around noon, with these columns."""
    columns = {
        "id": new_id(),
        "code": f"PROMO-{new_id()[:8].upper()}",
        "discount": Decimal(10),
        "validFrom": NOON - timedelta(days=1),
        "validUntil": NOON + timedelta(days=3650),
    } | overrides
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    async with db.transaction() as tx:
        await tx.execute(f"INSERT INTO promo_codes ({names}) VALUES ({places})", *columns.values())
        promo = await find_promo(tx, str(columns["code"]))
    assert promo is not None
    return promo
