"""All SQL that shows orders to operators."""
# ruff: noqa: S608 - statements are composed of constants of this file only

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader

_MAX_MATCHES: Final = 10

# People type the first letters that they see, in any case.
_FIND: Final = "SELECT id FROM orders WHERE id = $1"
_FIND_BEGINNING: Final = f"""
    SELECT id FROM orders WHERE starts_with(lower(id), lower($1))
    ORDER BY "createdAt" DESC, id LIMIT {_MAX_MATCHES}
"""

# Attached databases hold NaN, which has no order and no place in a sum.
_SUMMARY: Final = """
    SELECT o.id, o."userId" AS user_id, u.email, o.status::text AS status,
        o."paymentStatus"::text AS payment_status, keyshop.finite(o.total::numeric) AS total,
        o."promoCode" AS promo_code, o."createdAt" AS created_at, o."completedAt" AS completed_at,
        p.order_id IS NOT NULL AS is_placed_here,
        coalesce(units.all, 0) AS units, coalesce(units.open, 0) AS open,
        coalesce(units.delivered, 0) AS delivered,
        coalesce((SELECT sum(amount) FROM keyshop.refunds WHERE order_id = o.id), 0) AS refunded
    FROM orders AS o JOIN users AS u ON u.id = o."userId"
    LEFT JOIN keyshop.placed_orders AS p ON p.order_id = o.id
    LEFT JOIN LATERAL (
        SELECT count(*) AS all, count(*) FILTER (WHERE state = 'OPEN') AS open,
            count(*) FILTER (WHERE state = 'DELIVERED') AS delivered
        FROM keyshop.order_units WHERE order_id = o.id
    ) AS units ON true
"""
_SHOW: Final = f"{_SUMMARY} WHERE o.id = $1"
_LIST: Final = f"""
    {_SUMMARY}
    WHERE (NOT $1::boolean OR o.status::text IN ('PENDING', 'PROCESSING'))
        AND (NOT $2::boolean OR p.order_id IS NULL)
    ORDER BY o."createdAt" DESC, o.id DESC LIMIT $3
"""

_LIST_UNITS: Final = """
    SELECT u.id, u.game_id, g.title, u.state, u.price, u.charged, u.next_at, u.vault_key_id,
        r.reason AS refund_reason, r.by AS refunded_by, r.amount AS refunded
    FROM keyshop.order_units AS u LEFT JOIN games AS g ON g.id = u.game_id
    LEFT JOIN keyshop.refunds AS r ON r.unit_id = u.id
    WHERE u.order_id = $1 ORDER BY u.id
"""

# What happened, from all places that know. A job that succeeds leaves the queue.
_TIMELINE: Final = """
    SELECT happened_at, kind, what, unit_id, actor, details FROM (
        SELECT happened_at, 'event' AS kind, kind AS what, unit_id, actor, details::text AS details,
            1 AS place, id
        FROM keyshop.order_events WHERE order_id = $1
        UNION ALL
        SELECT t."createdAt", 'ledger', t.type::text, NULL, NULL,
            keyshop.finite(t.amount::numeric)::text || ' ' || t.currency, 2, 0
        FROM transactions AS t
        WHERE t."orderId" = $1
            OR t.id IN (SELECT transaction_id FROM keyshop.refunds WHERE order_id = $1)
        UNION ALL
        SELECT sent_at, 'mail', m.id, NULL, NULL,
            CASE WHEN unanswered > 0 THEN 'not confirmed by the mail server' END, 3, 0
        FROM keyshop.sent_mails AS m
        WHERE starts_with(m.id, 'order-' || $1 || '-') OR m.id IN (
            SELECT 'unit-' || id || '-refunded' FROM keyshop.order_units WHERE order_id = $1
        )
        UNION ALL
        SELECT timezone('UTC', created), 'job', entrypoint, payload ->> 'unit_id', NULL,
            CASE status WHEN 'failed' THEN 'dead' WHEN 'picked' THEN 'running' ELSE 'waiting' END,
            4, job.id
        FROM (
            SELECT id, created, entrypoint, status, convert_from(payload, 'UTF8')::jsonb AS payload
            FROM keyshop.pgqueuer
            WHERE entrypoint = ANY($2::text[]) AND payload IS NOT NULL
        ) AS job
        WHERE payload ->> 'order_id' = $1 OR payload ->> 'unit_id' IN (
            SELECT id FROM keyshop.order_units WHERE order_id = $1
        )
    ) AS known
    ORDER BY happened_at, place, id
"""


class OrderSummary(Struct, frozen=True, kw_only=True):
    """An order as a list shows it. Amounts are EUR, times UTC."""

    id: str
    user_id: str
    email: str
    status: str
    payment_status: str | None
    total: Decimal
    refunded: Decimal
    promo_code: str | None
    created_at: datetime
    completed_at: datetime | None
    is_placed_here: bool
    """False: another program has placed it, and keyshop knows no units of it."""

    units: int
    open: int
    delivered: int


class ShownUnit(Struct, frozen=True, kw_only=True):
    """A unit of an order, without the text of its key."""

    id: str
    game_id: str
    title: str | None
    """None: the game is deleted."""

    state: str
    price: Decimal
    charged: Decimal
    next_at: datetime | None
    vault_key_id: str | None
    refunded: Decimal | None
    refund_reason: str | None
    refunded_by: str | None


class TimelineEntry(Struct, frozen=True, kw_only=True):
    """Something that happened to an order, or waits to happen."""

    happened_at: datetime
    kind: str
    """event, ledger, mail or job"""

    what: str
    unit_id: str | None
    actor: str | None
    details: str | None


async def find_ids(reader: Reader, text: str, *, min_length: int) -> list[str]:
    """Return the order of this id, or the newest whose ids begin so, if the text is long enough."""
    found = await reader.fetch(_FIND, text)
    if not found and len(text) >= min_length:
        found = await reader.fetch(_FIND_BEGINNING, text)
    return [record["id"] for record in found]


async def find_summary(reader: Reader, order_id: str) -> OrderSummary | None:
    record = await reader.fetchrow(_SHOW, order_id)
    return None if record is None else row(OrderSummary, record)


async def list_summaries(
    reader: Reader, *, is_open: bool, is_foreign: bool, limit: int
) -> list[OrderSummary]:
    return rows(OrderSummary, await reader.fetch(_LIST, is_open, is_foreign, limit))


async def list_units(reader: Reader, order_id: str) -> list[ShownUnit]:
    return rows(ShownUnit, await reader.fetch(_LIST_UNITS, order_id))


async def list_timeline(reader: Reader, order_id: str, *, jobs: list[str]) -> list[TimelineEntry]:
    """Return what happened to the order, the oldest first; `jobs` are the names of its jobs."""
    return rows(TimelineEntry, await reader.fetch(_TIMELINE, order_id, jobs))
