"""The SQL with which orders are placed and change; units and answers have files of their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.orders.models import OrderedGame, OrderState

IMPLICIT_LIFE: Final = timedelta(seconds=3)
"""For how long the same order without a key counts as a second click on the same button."""

EXPLICIT_LIFE: Final = timedelta(hours=24)
"""For how long an idempotency key names its order."""

# A parallel request with the same key waits here for the first one. PostgreSQL's own clock: it is also
# that of `created_at`. The statement's begin counts: the wait must not make the row look old.
_CLAIM: Final = """
    INSERT INTO keyshop.idempotency AS known
        (user_id, key_digest, body_hash, is_implicit, created_at)
    VALUES ($1, $2, $3, $4, clock_timestamp())
    ON CONFLICT (user_id, key_digest) DO UPDATE
    SET body_hash = excluded.body_hash, order_id = NULL, created_at = excluded.created_at
    WHERE known.created_at < statement_timestamp()
        - CASE WHEN known.is_implicit THEN $5::interval ELSE $6::interval END
    RETURNING true
"""
_FIND_CLAIMED: Final = """
    SELECT body_hash, order_id FROM keyshop.idempotency WHERE user_id = $1 AND key_digest = $2
"""
# At the end: from here on a second click is counted.
_FULFIL_CLAIM: Final = """
    UPDATE keyshop.idempotency SET order_id = $3, created_at = clock_timestamp()
    WHERE user_id = $1 AND key_digest = $2
"""

_COUNT_RECENT: Final = """
    SELECT count(*) AS orders, min(placed_at) AS first FROM keyshop.placed_orders
    WHERE user_id = $1 AND placed_at > $2
"""

# The lock is the one that the order's items take anyway; a game cannot be deleted meanwhile.
_LIST_GAMES: Final = """
    SELECT id, title, price, currency, "g2aProductId" AS g2a_product_id, "g2aStock" AS g2a_stock,
        "releaseDate" AS release_date
    FROM games WHERE id = ANY($1) ORDER BY id FOR KEY SHARE
"""

_ADD_ORDER: Final = """
    INSERT INTO orders (id, "userId", status, subtotal, discount, total, "paymentMethod",
        "paymentStatus", "promoCode", "createdAt")
    VALUES ($1, $2, 'PENDING', $3, $4, $5, 'balance', 'COMPLETED', $6, $7)
"""
_ADD_PLACED: Final = """
    INSERT INTO keyshop.placed_orders (order_id, user_id, family_id, promo_id, placed_at)
    VALUES ($1, $2, $3, $4, $5)
"""
_ADD_ITEMS: Final = """
    INSERT INTO order_items (id, "orderId", "gameId", quantity, price, discount)
    SELECT item.id, $1, item.game_id, item.quantity, item.price, item.discount
    FROM unnest($2::text[], $3::text[], $4::int[], $5::numeric[], $6::numeric[])
        AS item (id, game_id, quantity, price, discount)
    ORDER BY item.game_id
"""
_CLEAR_CART: Final = 'DELETE FROM cart_items WHERE "userId" = $1 AND "gameId" = ANY($2)'

_SET_STATE: Final = """
    UPDATE orders SET status = $3::text::"OrderStatus", "paymentStatus" = $4::text::"PaymentStatus",
        "completedAt" = coalesce("completedAt", CASE WHEN $3::text = 'COMPLETED' THEN $5::timestamp END)
    WHERE id = $1 AND status = $2::text::"OrderStatus"
"""

_ADD_EVENTS: Final = """
    INSERT INTO keyshop.order_events (order_id, unit_id, happened_at, kind, actor, details)
    SELECT $1, event.unit_id, $2, event.kind, event.actor, event.details::jsonb
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
        WITH ORDINALITY AS event (unit_id, kind, actor, details, place)
    ORDER BY event.place
"""

# The one row of all orders; the transaction commits next.
_RAISE_SEQ: Final = """
    UPDATE keyshop.buying_state SET seq = seq + 1 WHERE NOT is_paused_after_restore RETURNING seq
"""

_FIND_IDENTITY: Final = "SELECT system_identifier::text FROM pg_control_system()"

_DELETE_EXPIRED_CLAIMS: Final = """
    DELETE FROM keyshop.idempotency WHERE (user_id, key_digest) IN (
        SELECT user_id, key_digest FROM keyshop.idempotency WHERE created_at < $1
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""


class Claim(Struct, frozen=True, kw_only=True):
    """What makes two requests the same one."""

    user_id: str
    key_digest: str
    body_hash: str
    is_implicit: bool
    """The request has no idempotency key of its own."""


class Claimed(Struct, frozen=True):
    """What an earlier request with the same key has done."""

    body_hash: str
    order_id: str | None


class NewOrder(Struct, frozen=True, kw_only=True):
    """A row of `orders` to add. Amounts are EUR."""

    id: str
    user_id: str
    subtotal: Decimal
    discount: Decimal
    total: Decimal
    promo_code: str | None


class NewItem(Struct, frozen=True, kw_only=True):
    """A row of `order_items` to add."""

    id: str
    game_id: str
    quantity: int
    price: Decimal
    discount: Decimal


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened to an order, for its timeline; never a key or a person's data."""

    kind: str
    actor: str
    unit_id: str | None = None
    details: dict[str, str | int | bool | None] = {}


async def claim(tx: Transaction, wanted: Claim) -> bool:
    """Reserve the key for this transaction, which waits for another one that has it; False: it is used."""
    found: bool | None = await tx.fetchval(
        _CLAIM,
        wanted.user_id,
        wanted.key_digest,
        wanted.body_hash,
        wanted.is_implicit,
        IMPLICIT_LIFE,
        EXPLICIT_LIFE,
    )
    return found is True


async def find_claimed(tx: Transaction, wanted: Claim) -> Claimed | None:
    record = await tx.fetchrow(_FIND_CLAIMED, wanted.user_id, wanted.key_digest)
    return None if record is None else row(Claimed, record)


async def fulfil_claim(tx: Transaction, claimed: Claim, order_id: str) -> None:
    await tx.execute(_FULFIL_CLAIM, claimed.user_id, claimed.key_digest, order_id)


async def count_recent(
    tx: Transaction, user_id: str, *, since: datetime
) -> tuple[int, datetime | None]:
    """Return how many orders the user has placed since then, and when the first of them."""
    record = await tx.fetchrow(_COUNT_RECENT, user_id, since)
    assert record is not None  # noqa: S101 - a count has a row
    return record["orders"], record["first"]


async def list_games(tx: Transaction, game_ids: Sequence[str]) -> list[OrderedGame]:
    """Return the games by id, safe from deletion until the transaction ends."""
    return rows(OrderedGame, await tx.fetch(_LIST_GAMES, game_ids))


async def add_order(tx: Transaction, order: NewOrder, *, now: datetime) -> None:
    """Store a paid order that is PENDING."""
    await tx.execute(
        _ADD_ORDER,
        order.id,
        order.user_id,
        order.subtotal,
        order.discount,
        order.total,
        order.promo_code,
        now,
    )


async def add_placed(
    tx: Transaction,
    order: NewOrder,
    *,
    family_id: str | None,
    promo_id: str | None,
    now: datetime,
) -> None:
    await tx.execute(_ADD_PLACED, order.id, order.user_id, family_id, promo_id, now)


async def add_items(tx: Transaction, order_id: str, items: Sequence[NewItem]) -> None:
    await tx.execute(
        _ADD_ITEMS,
        order_id,
        [item.id for item in items],
        [item.game_id for item in items],
        [item.quantity for item in items],
        [item.price for item in items],
        [item.discount for item in items],
    )


async def clear_cart(tx: Transaction, user_id: str, game_ids: Sequence[str]) -> None:
    """Remove these games from the user's cart."""
    await tx.execute(_CLEAR_CART, user_id, game_ids)


async def set_state(
    tx: Transaction, order_id: str, before: str, after: OrderState, *, now: datetime
) -> bool:
    """Store the order's state; False: its status is not `before`."""
    changed = await tx.execute(
        _SET_STATE, order_id, before, after.status, after.payment_status, now
    )
    return bool(changed)


async def add_events(
    tx: Transaction, order_id: str, events: Sequence[Event], *, now: datetime
) -> None:
    await tx.execute(
        _ADD_EVENTS,
        order_id,
        now,
        [event.unit_id for event in events],
        [event.kind for event in events],
        [event.actor for event in events],
        [msgspec.json.encode(event.details).decode() for event in events],
    )


async def raise_seq(tx: Transaction) -> int | None:
    """
    Return the number of this delivery; all others wait until the transaction ends.

    None: deliveries are paused, because the database was restored from a backup.
    """
    seq: int | None = await tx.fetchval(_RAISE_SEQ)
    return seq


async def find_identity(reader: Reader) -> str:
    """Return what a restored copy of this PostgreSQL server shares with it, and no other server."""
    identity: str = await reader.fetchval(_FIND_IDENTITY)
    return identity


async def delete_expired_claims(tx: Transaction, *, now: datetime, limit: int = 10_000) -> int:
    """Delete idempotency keys that name their order no longer; returns how many."""
    return await tx.execute(_DELETE_EXPIRED_CLAIMS, now - EXPLICIT_LIFE, limit)
