"""All SQL of promo codes."""

from datetime import datetime
from typing import Final

from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id
from keyshop.promotions.models import NewPromo, Promo

_COLUMNS: Final = """
    id, code, discount AS percent, "maxUses" AS max_uses, "usedCount" AS used_count,
    "validFrom" AS valid_from, "validUntil" AS valid_until, active
"""

# Codes are stored in upper case, where the index finds them; one that another program stored in
# lower case too belongs to the customer who writes it so.
_FIND: Final = f"""
    SELECT {_COLUMNS} FROM promo_codes WHERE code IN ($1, upper($1)) ORDER BY code <> $1 LIMIT 1
"""  # noqa: S608 - constants alone
_FIND_IN_ANY_CASE: Final = f"""
    SELECT {_COLUMNS} FROM promo_codes WHERE upper(code) = upper($1) ORDER BY code LIMIT 1
"""  # noqa: S608 - constants alone

_LIST: Final = f"""
    SELECT {_COLUMNS} FROM promo_codes ORDER BY "createdAt" DESC, id
"""  # noqa: S608 - constants alone

_ADD: Final = """
    INSERT INTO promo_codes (id, code, discount, "maxUses", "validFrom", "validUntil", "createdAt")
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (code) DO NOTHING
"""

# Whether it may be used is decided again by the row that this statement has locked.
_COUNT_USE: Final = """
    UPDATE promo_codes SET "usedCount" = "usedCount" + 1
    WHERE id = $1 AND active AND "validFrom" <= $2 AND $2 <= "validUntil"
        AND ("maxUses" IS NULL OR "usedCount" < "maxUses")
"""
_ADD_USE: Final = """
    INSERT INTO keyshop.promo_uses (order_id, promo_id, used_at) VALUES ($1, $2, $3)
"""
_GIVE_BACK: Final = """
    UPDATE keyshop.promo_uses SET given_back_at = $2
    WHERE order_id = $1 AND given_back_at IS NULL RETURNING promo_id
"""
_UNCOUNT_USE: Final = """
    UPDATE promo_codes SET "usedCount" = "usedCount" - 1 WHERE id = $1 AND "usedCount" > 0
"""


async def find_promo(reader: Reader, code: str) -> Promo | None:
    """Return the promo code of these letters, in any case: as written, in upper case, or otherwise."""
    record = await reader.fetchrow(_FIND, code) or await reader.fetchrow(_FIND_IN_ANY_CASE, code)
    return None if record is None else row(Promo, record)


async def list_promos(reader: Reader) -> list[Promo]:
    return rows(Promo, await reader.fetch(_LIST))


async def add_promo(tx: Transaction, promo: NewPromo, *, now: datetime) -> str | None:
    """Store the promo code and return its id; None: the code exists."""
    promo_id = new_id()
    added = await tx.execute(
        _ADD,
        promo_id,
        promo.code,
        promo.percent,
        promo.max_uses,
        promo.valid_from,
        promo.valid_until,
        now,
    )
    return promo_id if added else None


async def count_use(tx: Transaction, promo_id: str, *, now: datetime) -> bool:
    """Count a use; False: the code may not be used, or not again."""
    return bool(await tx.execute(_COUNT_USE, promo_id, now))


async def add_use(tx: Transaction, promo_id: str, order_id: str, *, now: datetime) -> None:
    await tx.execute(_ADD_USE, order_id, promo_id, now)


async def mark_given_back(tx: Transaction, order_id: str, *, now: datetime) -> str | None:
    """Return the promo code whose use the order gives back now; None: there is none, or was one."""
    promo_id: str | None = await tx.fetchval(_GIVE_BACK, order_id, now)
    return promo_id


async def uncount_use(tx: Transaction, promo_id: str) -> None:
    """Count a use less; a code that another program has deleted is left alone."""
    await tx.execute(_UNCOUNT_USE, promo_id)
