"""The SQL of the mails about orders; `show_queries` reads the orders themselves."""
# ruff: noqa: S608 - statements are composed of constants only

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.accounts.columns import NICKNAME, NOT_ERASED
from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader

_FIND_RECIPIENT: Final = f"""
    SELECT u.id, u.email, {NICKNAME} FROM users AS u WHERE u.id = $1 AND u.{NOT_ERASED}
"""

# Units that were refunded together have one moment. The order itself may be deleted.
_LIST_REFUNDED: Final = """
    SELECT u.order_id, u.user_id, p.placed_at, coalesce(g.title, u.game_id) AS title,
        count(*) AS units, sum(r.amount) AS amount,
        bool_or(u.vault_key_id IS NOT NULL) AS is_revoked
    FROM keyshop.refunds AS named
    JOIN keyshop.refunds AS r
        ON r.order_id = named.order_id AND r.created_at = named.created_at
    JOIN keyshop.order_units AS u ON u.id = r.unit_id
    JOIN keyshop.placed_orders AS p ON p.order_id = u.order_id
    LEFT JOIN games AS g ON g.id = u.game_id
    WHERE named.unit_id = $1
    GROUP BY u.order_id, u.user_id, p.placed_at, u.game_id, g.title
    ORDER BY title, u.game_id
"""

_COUNT_EVENTS: Final = """
    SELECT count(*) FROM keyshop.order_events WHERE order_id = $1 AND kind = $2
"""


class Recipient(Struct, frozen=True):
    """A customer who has an address."""

    id: str
    email: str
    nickname: str


class RefundedGame(Struct, frozen=True, kw_only=True):
    """What was refunded at one moment of one game of an order."""

    order_id: str
    user_id: str
    placed_at: datetime
    title: str
    units: int
    amount: Decimal
    """EUR, of all these units."""

    is_revoked: bool
    """Whether the customer had a key of one of them."""


async def find_recipient(reader: Reader, user_id: str) -> Recipient | None:
    """Return the customer; None: there is none, or the account was erased."""
    found = await reader.fetchrow(_FIND_RECIPIENT, user_id)
    return None if found is None else row(Recipient, found)


async def list_refunded(reader: Reader, unit_id: str) -> list[RefundedGame]:
    """Return what was refunded together with the unit, itself included, for each game."""
    return rows(RefundedGame, await reader.fetch(_LIST_REFUNDED, unit_id))


async def count_events(reader: Reader, order_id: str, kind: str) -> int:
    """Return how many events of this kind the order has."""
    found: int = await reader.fetchval(_COUNT_EVENTS, order_id, kind)
    return found
