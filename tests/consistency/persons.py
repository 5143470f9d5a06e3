"""The watched customers and guests in the shop's tables."""

from datetime import datetime
from random import Random
from typing import Final

from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.wallet.ledger import credit
from keyshop.wallet.models import Payment
from tests.consistency.contents import (
    ALWAYS,
    SOLD_GAME,
    TITLED_GAME,
    mark_of,
    nickname_of,
    token_family_of,
    user_of,
)
from tests.consistency.keys import BUYERS, FIRST_VERSION, PERSONAL, SIGNED_OUT, Family, Key, Kind
from tests.consistency.wallets import KEY_PRICE, balance_of, mark_of_ledger
from tests.consistency.writers.person_rows import BEGIN_TOKEN_FAMILY, put_version
from tests.factories.games import add_game

_ADD_USER: Final = """
    INSERT INTO users (id, email, "passwordHash", nickname, "updatedAt")
    VALUES ($1, $1 || '@shop.example', 'none', $2, $3)
"""
_ADD_LINE: Final = """
    INSERT INTO cart_items ("userId", "gameId", quantity, "addedAt") VALUES ($1, $2, 1, $3)
"""
_ADD_WISH: Final = 'INSERT INTO wishlist ("userId", "gameId", "addedAt") VALUES ($1, $2, $3)'
_PUT_BALANCE: Final = "UPDATE users SET balance = $2 WHERE id = $1"
_ADD_ENTRY: Final = """
    INSERT INTO transactions (id, "userId", type, amount, status, description)
    VALUES ($1, $1, 'TOP_UP', $2, 'COMPLETED', $3)
"""
_DELETE: Final = (
    "DELETE FROM users WHERE id LIKE 'chk-person%'",
    """DELETE FROM sessions WHERE "sessionId" LIKE 'chk-guest%' OR "sessionId" IN (
        SELECT session_id FROM keyshop.guest_cart_items WHERE game_id LIKE 'chk-%'
    )""",
    "DELETE FROM game_keys WHERE \"gameId\" LIKE 'chk-%'",
    "DELETE FROM keyshop.vault_keys WHERE game_id LIKE 'chk-%'",
)


async def add_persons(db: Database) -> None:
    """Store all customers with their first contents; the watched games must exist."""
    now = utc_now()
    async with db.transaction() as tx:
        await add_game(tx, id=SOLD_GAME, title="Watched keys", price=KEY_PRICE)
        for owner in sorted({key.owner for key in PERSONAL}):
            await add_game(tx, id=mark_of(owner), title=f"Of person {owner}")
            await tx.execute(_ADD_USER, user_of(owner), nickname_of(owner, FIRST_VERSION), now)
            version = FIRST_VERSION if owner in SIGNED_OUT else ALWAYS
            await tx.execute(BEGIN_TOKEN_FAMILY, user_of(owner), token_family_of(owner, version))
        for key in PERSONAL:
            if key.kind in BUYERS:
                await _pay_in(tx, key, now)
            elif not key.comes_and_goes:
                await _fill(tx, key, now)


async def remove_persons(db: Database) -> None:
    """Delete the watched customers and guests; their marks are deleted with the watched games."""
    async with db.transaction() as tx:
        for statement in _DELETE:
            await tx.execute(statement)


async def _pay_in(tx: Transaction, key: Key, now: datetime) -> None:
    """Give a buyer the first version of balance and ledger, as the key's writer changes them."""
    user, mark = user_of(key.owner), mark_of_ledger(key.owner)
    balance = balance_of(key.kind, key.owner, FIRST_VERSION)
    if key.family is not Family.BALANCE:
        return
    if key.kind is Kind.BUYER:
        payment = Payment(method="operator", description=mark)
        await credit(tx, user_id=user, amount=balance, payment=payment, now=now)
    else:
        await tx.execute(_PUT_BALANCE, user, balance)
        await tx.execute(_ADD_ENTRY, user, balance, mark)


async def _fill(tx: Transaction, key: Key, now: datetime) -> None:
    user = user_of(key.owner)
    if key.family in _STATIC:
        for game in (mark_of(key.owner), TITLED_GAME):
            await tx.execute(_STATIC[key.family], user, game, now)
        await put_version(tx, key, old=0, new=FIRST_VERSION, dice=Random(0))


_STATIC: Final = {Family.CART: _ADD_LINE, Family.WISHLIST: _ADD_WISH}
