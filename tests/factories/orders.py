"""Customers who order over HTTP, and what the database then holds."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx2
from asyncpg import Record

from keyshop.accounts.sessions.families import begin_family
from keyshop.keys.settings import Vault
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from tests.factories.account_services import account_services
from tests.factories.browsers import Person
from tests.factories.sessions import add_user
from tests.factories.vault import make_game_with_keys, make_vault
from tests.factories.wallet import give

# What an order may take or leave behind, of one customer.
_TRACES = """
    SELECT (SELECT balance::text FROM users WHERE id = $1) AS balance,
        (SELECT count(*) FROM transactions WHERE "userId" = $1) AS transactions,
        (SELECT count(*) FROM orders WHERE "userId" = $1) AS orders,
        (SELECT count(*) FROM keyshop.order_units WHERE user_id = $1) AS units,
        (SELECT count(*) FROM keyshop.placed_orders WHERE user_id = $1) AS placed,
        (SELECT count(*) FROM keyshop.idempotency WHERE user_id = $1) AS idempotency,
        (SELECT count(*) FROM cart_items WHERE "userId" = $1) AS cart,
        (SELECT count(*) FROM keyshop.vault_keys WHERE state <> 'free') AS keys,
        (SELECT sum("usedCount") FROM promo_codes) AS promo_uses,
        (SELECT seq FROM keyshop.buying_state) AS seq
"""
# What tests change as another program does is not explained.
_VIOLATIONS = "SELECT * FROM keyshop.violations WHERE name <> 'unexplained_change'"


async def stock_game(db: Database, keys: int, price: str = "10.00", **columns: Any) -> str:
    """Store a game with that many own keys, and return its id."""
    vault: Vault = await make_vault(db)
    unique = {"slug": f"game-{new_id()}", "price": Decimal(price)}
    return await make_game_with_keys(db, vault, keys, **(unique | columns))


async def pay_in(db: Database, person: Person, amount: str) -> None:
    """Give the customer money."""
    await give(db, person.id, amount)


async def make_buyer(db: Database, client: httpx2.AsyncClient, balance: str) -> Person:
    """Return a customer with money, signed in without the time that a password takes."""
    account = await add_user(db)
    async with db.transaction() as tx:
        pair = await begin_family(tx, account_services().tokens, account, now=utc_now())
    person = Person(client, email=account.email, id=account.id, token=pair.token)
    await give(db, person.id, balance)
    return person


async def order(
    person: Person,
    items: Mapping[str, Any],
    *,
    promo: str | None = None,
    key: str | None = None,
) -> httpx2.Response:
    """Order these quantities of games."""
    body: dict[str, Any] = {
        "items": [{"gameId": game, "quantity": number} for game, number in items.items()]
    }
    if promo is not None:
        body["promoCode"] = promo
    headers = {} if key is None else {"Idempotency-Key": key}
    return await person.request("POST", "/api/orders", json=body, headers=headers)


async def placed(person: Person, items: Mapping[str, Any], **more: Any) -> Any:
    """Return an order that must be placed."""
    answer = await order(person, items, **more)
    assert answer.status_code == 201, answer.text
    assert answer.json()["success"] is True
    return answer.json()["data"]


async def traces(db: Database, person: Person) -> dict[str, Any]:
    """Return what an order would change."""
    async with db.read() as reader:
        record = await reader.fetchrow(_TRACES, person.id)
    assert record is not None
    return dict(record)


async def rows_of(db: Database, sql: str, *args: object) -> list[tuple[Any, ...]]:
    async with db.read() as reader:
        return [tuple(record) for record in await reader.fetch(sql, *args)]


async def violations(db: Database) -> list[Record]:
    """Return what contradicts the books of the shop."""
    async with db.read() as reader:
        return await reader.fetch(_VIOLATIONS)


async def forget_click(db: Database, person: Person, seconds: float) -> None:
    """Let the customer's last orders be so many seconds older."""
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE keyshop.idempotency SET created_at = created_at - $2 * interval '1 second'"
            " WHERE user_id = $1",
            person.id,
            seconds,
        )
        await tx.execute(
            "UPDATE keyshop.placed_orders SET placed_at = placed_at - $2 * interval '1 second'"
            " WHERE user_id = $1",
            person.id,
            seconds,
        )
