"""All SQL that reads orders for their customers; one statement, so that its parts belong together."""
# ruff: noqa: S608 - statements are composed of constants of this file only

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from asyncpg import Record
from msgspec import UNSET, Struct

from keyshop.kit.database.codecs import row
from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import format_utc
from keyshop.orders.answers import ItemInOrder, KeyInOrder, OrderAnswer


def _finite(column: str) -> str:
    """Return the amount, or 0 for NaN, which a column may hold and JSON has no word for."""
    return f"CASE WHEN abs({column}::numeric) < 'Infinity' THEN {column}::numeric ELSE 0 END"


_ITEMS: Final = f"""(
    SELECT json_agg(json_build_object(
        'id', i.id, 'gameId', i."gameId", 'quantity', i.quantity,
        'game', json_build_object('id', g.id, 'title', g.title, 'image', g.image, 'slug', g.slug),
        'price', {_finite("i.price")}, 'discount', {_finite("i.discount")},
        'refunded', (
            SELECT count(*) FROM keyshop.order_units AS u
            WHERE u.order_id = o.id AND u.item_id = i.id AND u.state = 'REFUNDED'
        )
    ) ORDER BY i."gameId", i.id)
    FROM order_items AS i JOIN games AS g ON g.id = i."gameId" WHERE i."orderId" = o.id
)"""

# The vault knows which order has a key even where another program has deleted its row of game_keys.
# A row that the vault does not know is a key that another program delivered.
_KEYS: Final = """(
    SELECT json_agg(json_strip_nulls(json_build_object(
        'id', k.id, 'gameId', k.game_id, 'key', '', 'activated', coalesce(k.activated, false),
        'activationDate', to_char(k.activated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'revoked', k.revoked
    )) ORDER BY k.game_id, k.created_at, k.id)
    FROM (
        SELECT v.id, v.game_id, known.activated, known."activationDate" AS activated_at,
            v.state = 'revoked' AS revoked, v.created_at
        FROM keyshop.vault_keys AS v LEFT JOIN game_keys AS known ON known.id = v.id
        WHERE v.order_id = o.id AND v.state IN ('delivered', 'revoked')
        UNION ALL
        SELECT old.id, old."gameId", old.activated, old."activationDate", false, old."createdAt"
        FROM game_keys AS old
        WHERE old."orderId" = o.id
            AND NOT EXISTS (SELECT FROM keyshop.vault_keys WHERE id = old.id)
    ) AS k
)"""

_ORDER: Final = f"""
    SELECT o.id, o."userId" AS user_id, o.status, {_finite("o.subtotal")} AS subtotal,
        {_finite("o.discount")} AS discount, {_finite("o.total")} AS total,
        coalesce((SELECT sum(amount) FROM keyshop.refunds WHERE order_id = o.id), 0.00) AS refunded,
        o."paymentMethod" AS payment_method, o."paymentStatus" AS payment_status,
        o."promoCode" AS promo_code, o."createdAt" AS created_at, o."completedAt" AS completed_at,
        {_ITEMS} AS items, {_KEYS} AS keys
    FROM orders AS o
"""
_FIND: Final = f"{_ORDER} WHERE o.id = $1"
_LIST: Final = f"""{_ORDER} WHERE o."userId" = $1 ORDER BY o."createdAt" DESC, o.id DESC"""
_LIST_PAGE: Final = f"""
    {_ORDER}
    WHERE o."userId" = $1
        AND ($2::text IS NULL OR (o."createdAt", o.id) < (
            SELECT "createdAt", id FROM orders WHERE id = $2 AND "userId" = $1
        ))
    ORDER BY o."createdAt" DESC, o.id DESC LIMIT $3
"""

_IS_OWNER: Final = 'SELECT EXISTS (SELECT FROM orders WHERE id = $1 AND "userId" = $2)'

_ITEMS_DECODER: Final = msgspec.json.Decoder(list[ItemInOrder])
_KEYS_DECODER: Final = msgspec.json.Decoder(list[KeyInOrder])


class _Row(Struct, frozen=True, kw_only=True):
    id: str
    user_id: str
    status: str
    subtotal: Decimal
    discount: Decimal
    total: Decimal
    refunded: Decimal
    payment_method: str | None
    payment_status: str | None
    promo_code: str | None
    created_at: datetime
    completed_at: datetime | None
    items: str | None
    keys: str | None


async def find_order(reader: Reader, order_id: str) -> OrderAnswer | None:
    """Return the order without the texts of its keys."""
    record = await reader.fetchrow(_FIND, order_id)
    return None if record is None else _to_answer(record)


async def list_orders(reader: Reader, user_id: str) -> list[OrderAnswer]:
    """Return all orders of the user, the newest first, without the texts of their keys."""
    return _to_answers(await reader.fetch(_LIST, user_id))


async def list_page(
    reader: Reader, user_id: str, *, after: str | None, count: int
) -> list[OrderAnswer]:
    """Return up to `count` orders, the newest first, beginning after the user's order of this id."""
    return _to_answers(await reader.fetch(_LIST_PAGE, user_id, after, count))


async def is_owner(reader: Reader, order_id: str, user_id: str) -> bool:
    """Test whether it is the user's order."""
    found: bool = await reader.fetchval(_IS_OWNER, order_id, user_id)
    return found


def _to_answers(records: Sequence[Record]) -> list[OrderAnswer]:
    return [_to_answer(record) for record in records]


def _to_answer(record: Record) -> OrderAnswer:
    found = row(_Row, record)
    return OrderAnswer(
        id=found.id,
        user_id=found.user_id,
        status=found.status,
        subtotal=found.subtotal,
        discount=found.discount,
        total=found.total,
        refunded=found.refunded,
        payment_method=found.payment_method or UNSET,
        payment_status=found.payment_status or UNSET,
        promo_code=found.promo_code or UNSET,
        created_at=format_utc(found.created_at),
        completed_at=format_utc(found.completed_at) if found.completed_at else UNSET,
        items=_ITEMS_DECODER.decode(found.items) if found.items else [],
        keys=_KEYS_DECODER.decode(found.keys) if found.keys else [],
    )
