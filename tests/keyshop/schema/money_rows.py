"""Rows of an order with two units, a key of each state, and a wallet's entry."""

import asyncpg

ROWS = """
    INSERT INTO orders (id, "userId", status, subtotal, total, "paymentStatus")
        VALUES ('p', 'alice', 'PROCESSING', 5, 5, 'COMPLETED');
    INSERT INTO order_items (id, "orderId", "gameId", quantity, price) VALUES ('pi', 'p', 'g5', 2, 2.5);
    INSERT INTO keyshop.placed_orders VALUES ('p', 'alice', NULL, NULL, now());
    INSERT INTO game_keys (id, "gameId", key, "orderId")
        VALUES ('free', 'g5', 'sealed:free', NULL), ('given', 'g5', 'sealed:given', 'p');
    INSERT INTO keyshop.key_versions VALUES (1, '', now());
    INSERT INTO keyshop.vault_keys (id, game_id, sealed_game_id, fingerprint, ciphertext, version,
            source, state, order_id, unit_id, created_at, changed_at)
        VALUES ('free', 'g5', 'g5', '1', '', 1, 'own', 'free', NULL, NULL, now(), now()),
            ('given', 'g5', 'g5', '2', '', 1, 'own', 'delivered', 'p', 'u1', now(), now());
    INSERT INTO keyshop.order_units (id, order_id, item_id, user_id, game_id, state, price, charged,
            next_at, vault_key_id, created_at)
        VALUES ('u1', 'p', 'pi', 'alice', 'g5', 'DELIVERED', 2.5, 2.5, NULL, 'given', now()),
            ('u2', 'p', 'pi', 'alice', 'g5', 'OPEN', 2.5, 2.5, now(), NULL, now());
    INSERT INTO keyshop.order_events (order_id, happened_at, kind, actor)
        VALUES ('p', now(), 'placed', 'alice');
    INSERT INTO keyshop.idempotency VALUES ('alice', 'digest', '', 'p', false, now());
    INSERT INTO keyshop.promo_uses VALUES ('p', 'promo', now());
    INSERT INTO keyshop.key_reveals VALUES ('given', 'alice', now(), now());
"""


async def spend(connection: asyncpg.Connection, user: str, amount: str, **row: str) -> None:
    """Change balance and ledger as keyshop's wallet does."""
    entry = {"id": "w", "type": "PURCHASE"} | row
    order = f"'{row['order']}'" if "order" in row else "NULL"
    async with connection.transaction():
        await connection.execute(f"""
            SET LOCAL keyshop.wallet = 'on';
            UPDATE users SET balance = balance + {amount} WHERE id = '{user}';
            INSERT INTO transactions (id, "userId", "orderId", type, amount, status)
                VALUES ('{entry["id"]}', '{user}', {order}, '{entry["type"]}', {amount}, 'COMPLETED');
        """)
