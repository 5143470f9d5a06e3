"""An operator exports all data about one customer, for the customer."""

from datetime import datetime
from typing import Final

import msgspec

from keyshop.accounts import queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.lockout.failures import digest_of_account
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction

# One statement, and so one moment. Times are UTC and say so. The password's hash is left out because
# it helps only thieves; the text of a key, because the order shows it.
EXPORT: Final = """
    SELECT json_build_object(
        'exportedAt', $3::timestamp AT TIME ZONE 'UTC',
        'account', json_build_object(
            'id', u.id, 'email', u.email, 'nickname', u.nickname, 'firstName', u."firstName",
            'lastName', u."lastName", 'avatar', u.avatar, 'balance', u.balance, 'role', u.role,
            'emailVerified', u."emailVerified", 'createdAt', u."createdAt" AT TIME ZONE 'UTC',
            'updatedAt', u."updatedAt" AT TIME ZONE 'UTC'
        ),
        'openingBalance', (
            SELECT json_build_object(
                'balance', b.balance, 'recordedAt', b.recorded_at AT TIME ZONE 'UTC'
            )
            FROM keyshop.opening_balances AS b WHERE b.user_id = u.id
        ),
        'orders', ARRAY(
            SELECT json_build_object(
                'id', o.id, 'status', o.status, 'subtotal', o.subtotal, 'discount', o.discount,
                'total', o.total, 'paymentMethod', o."paymentMethod",
                'paymentStatus', o."paymentStatus", 'promoCode', o."promoCode",
                'externalOrderId', o."externalOrderId",
                'createdAt', o."createdAt" AT TIME ZONE 'UTC',
                'completedAt', o."completedAt" AT TIME ZONE 'UTC',
                'items', ARRAY(
                    SELECT json_build_object(
                        'id', i.id, 'gameId', i."gameId", 'title', g.title,
                        'quantity', i.quantity, 'price', i.price, 'discount', i.discount
                    )
                    FROM order_items AS i JOIN games AS g ON g.id = i."gameId"
                    WHERE i."orderId" = o.id ORDER BY i.id
                ),
                'keys', ARRAY(
                    SELECT json_build_object(
                        'id', k.id, 'gameId', k."gameId", 'activated', k.activated,
                        'activationDate', k."activationDate" AT TIME ZONE 'UTC'
                    )
                    FROM game_keys AS k WHERE k."orderId" = o.id ORDER BY k.id
                )
            )
            FROM orders AS o WHERE o."userId" = u.id ORDER BY o."createdAt", o.id
        ),
        'transactions', ARRAY(
            SELECT json_build_object(
                'id', t.id, 'orderId', t."orderId", 'type', t.type, 'amount', t.amount,
                'currency', t.currency, 'method', t.method, 'status', t.status,
                'description', t.description, 'transactionHash', t."transactionHash",
                'gatewayResponse', t."gatewayResponse",
                'createdAt', t."createdAt" AT TIME ZONE 'UTC'
            )
            FROM transactions AS t WHERE t."userId" = u.id ORDER BY t."createdAt", t.id
        ),
        'units', ARRAY(
            SELECT json_build_object(
                'id', n.id, 'orderId', n.order_id, 'itemId', n.item_id, 'gameId', n.game_id,
                'state', n.state, 'price', n.price, 'charged', n.charged, 'keyId', n.vault_key_id,
                'createdAt', n.created_at AT TIME ZONE 'UTC',
                'finishedAt', n.finished_at AT TIME ZONE 'UTC'
            )
            FROM keyshop.order_units AS n WHERE n.user_id = u.id ORDER BY n.created_at, n.id
        ),
        'refunds', ARRAY(
            SELECT json_build_object(
                'id', r.id, 'orderId', r.order_id, 'unitId', r.unit_id,
                'transactionId', r.transaction_id, 'amount', r.amount, 'reason', r.reason,
                'isRequested', r.is_requested, 'createdAt', r.created_at AT TIME ZONE 'UTC'
            )
            FROM keyshop.refunds AS r JOIN keyshop.order_units AS n ON n.id = r.unit_id
            WHERE n.user_id = u.id ORDER BY r.created_at, r.id
        ),
        'orderEvents', ARRAY(
            SELECT json_build_object(
                'orderId', e.order_id, 'unitId', e.unit_id,
                'happenedAt', e.happened_at AT TIME ZONE 'UTC', 'kind', e.kind, 'details', e.details
            )
            FROM keyshop.order_events AS e JOIN keyshop.placed_orders AS p USING (order_id)
            WHERE p.user_id = u.id ORDER BY e.id
        ),
        'topUps', ARRAY(
            SELECT json_build_object(
                'id', i.id, 'amount', i.amount, 'currency', i.currency, 'method', i.method,
                'state', i.state, 'provider', i.provider, 'providerId', i.provider_id,
                'transactionId', i.transaction_id, 'heldReason', i.held_reason,
                'notification', i.notification, 'createdAt', i.created_at AT TIME ZONE 'UTC',
                'updatedAt', i.updated_at AT TIME ZONE 'UTC',
                'expiresAt', i.expires_at AT TIME ZONE 'UTC'
            )
            FROM keyshop.top_up_intents AS i WHERE i.user_id = u.id ORDER BY i.created_at, i.id
        ),
        'keyReveals', ARRAY(
            SELECT json_build_object(
                'keyId', k.vault_key_id, 'revealedAt', k.revealed_at AT TIME ZONE 'UTC'
            )
            FROM keyshop.key_reveals AS k WHERE k.user_id = u.id
            ORDER BY k.revealed_at, k.vault_key_id
        ),
        'balanceChangesByOtherPrograms', ARRAY(
            SELECT json_build_object(
                'kind', c.kind, 'transactionId', c.transaction_id, 'amount', c.amount,
                'details', c.details, 'happenedAt', c.happened_at AT TIME ZONE 'UTC',
                'adoptedAt', c.adopted_at AT TIME ZONE 'UTC', 'adoptedReason', c.adopted_reason
            )
            FROM keyshop.foreign_balance_changes AS c WHERE c.user_id = u.id ORDER BY c.id
        ),
        'cart', ARRAY(
            SELECT json_build_object(
                'gameId', c."gameId", 'title', g.title, 'quantity', c.quantity,
                'addedAt', c."addedAt" AT TIME ZONE 'UTC'
            )
            FROM cart_items AS c JOIN games AS g ON g.id = c."gameId"
            WHERE c."userId" = u.id ORDER BY c."addedAt", g.id
        ),
        'wishlist', ARRAY(
            SELECT json_build_object(
                'gameId', w."gameId", 'title', g.title,
                'addedAt', w."addedAt" AT TIME ZONE 'UTC'
            )
            FROM wishlist AS w JOIN games AS g ON g.id = w."gameId"
            WHERE w."userId" = u.id ORDER BY w."addedAt", g.id
        ),
        'signIns', ARRAY(
            SELECT json_build_object(
                'happenedAt', h."createdAt" AT TIME ZONE 'UTC', 'success', h.success,
                'ipAddress', h."ipAddress", 'userAgent', h."userAgent"
            )
            FROM login_history AS h WHERE h."userId" = u.id ORDER BY h."createdAt", h.id
        ),
        'devices', ARRAY(
            SELECT json_build_object(
                'signedInAt', f.created_at AT TIME ZONE 'UTC',
                'expiresAt', f.expires_at AT TIME ZONE 'UTC',
                'signedOutAt', f.revoked_at AT TIME ZONE 'UTC', 'reason', f.revoked_reason
            )
            FROM keyshop.token_families AS f WHERE f.user_id = u.id ORDER BY f.created_at, f.id
        ),
        'emailTokens', ARRAY(
            SELECT json_build_object(
                'purpose', t.purpose, 'email', t.email,
                'createdAt', t.created_at AT TIME ZONE 'UTC',
                'expiresAt', t.expires_at AT TIME ZONE 'UTC', 'tries', t.tries,
                'usedAt', t.used_at AT TIME ZONE 'UTC'
            )
            FROM keyshop.email_tokens AS t WHERE t.user_id = u.id ORDER BY t.created_at, t.id
        ),
        'wrongPasswords', (
            SELECT json_build_object(
                'inARow', max(f.failures), 'last', max(f.last_failed_at) AT TIME ZONE 'UTC',
                'lockedUntil', max(f.locked_until) AT TIME ZONE 'UTC'
            )
            FROM keyshop.sign_in_failures AS f WHERE f.email_digest = $2 HAVING count(*) > 0
        ),
        'journal', ARRAY(
            SELECT json_build_object(
                'happenedAt', j.happened_at AT TIME ZONE 'UTC', 'action', j.action,
                'details', j.details
            )
            FROM keyshop.journal AS j
            WHERE j.subject = 'user' AND j.subject_id = u.id ORDER BY j.id
        )
    )::text
    FROM users AS u WHERE u.id = $1
"""


async def export_user(tx: Transaction, *, user_id: str, by: str, now: datetime) -> msgspec.Raw:
    """
    Return a JSON document with all data about the customer, as of one moment.

    Raises:
        UserNotFound: there is no such account, or it was erased.
    """
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    document = await tx.fetchval(EXPORT, user_id, digest_of_account(account), now)
    # Nothing changes, but personal data leaves the shop.
    await record(tx, actor=by, action="users.export", subject=Subject("user", user_id), now=now)
    return msgspec.Raw(document)
