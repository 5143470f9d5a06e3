"""The owner of a basket that is written; a cookie names a guest's session, and never a user."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Final

from keyshop.baskets import queries
from keyshop.baskets.errors import AccountGone
from keyshop.baskets.models import Owner, Visitor
from keyshop.baskets.rules import SESSION_LIFE, is_session_id
from keyshop.baskets.settings import BasketLimits, BasketSettings
from keyshop.kit.client_limits import take_for_client_within
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.limits import Limit

_SESSION_BYTES: Final = 24

MAX_ATTEMPTS: Final = 5
"""
Attempts at a write that collides with other transactions.

Writers of baskets do not collide with each other, because they lock the owner before its lines. A
transaction that deletes several games locks lines of many owners in another order.
"""


async def lock_owner(tx: Transaction, visitor: Visitor, *, now: datetime) -> Owner | None:
    """
    Return the visitor as an owner, locked until the transaction ends; a guest's session is renewed.

    None: a guest without a live session.

    Raises:
        AccountGone: the user was deleted.
    """
    if visitor.user_id is not None:
        if not await queries.lock_user(tx, user_id=visitor.user_id):
            raise AccountGone
        return Owner(id=visitor.user_id, is_guest=False)
    session_id = visitor.session_id
    if session_id is None or not is_session_id(session_id):
        return None
    renewed = await queries.renew_session(
        tx, session_id=session_id, now=now, expires=now + SESSION_LIFE
    )
    return Owner(id=session_id, is_guest=True) if renewed else None


async def lock_or_begin(
    tx: Transaction, visitor: Visitor, *, limits: BasketLimits, now: datetime
) -> Owner:
    """
    Do as `lock_owner`, and begin a session for a guest without a live one.

    Raises:
        AccountGone: the user was deleted.
        TooMany: the guest's client has begun too many sessions; a write that fails counts none.
    """
    owner = await lock_owner(tx, visitor, now=now)
    if owner is not None:
        return owner
    if visitor.client is not None:
        await take_for_client_within(tx, _sessions_per_client(limits), visitor.client, now=now)
    return await _begin(tx, now=now)


def _sessions_per_client(limits: BasketLimits) -> Limit:
    # Half at once and half over the hour: together no more in any hour.
    burst = (limits.guest_sessions_per_hour + 1) // 2
    refill = max(limits.guest_sessions_per_hour - burst, 1)
    return Limit("guest_sessions_per_client", burst=burst, per=timedelta(hours=1) / refill)


async def _begin(tx: Transaction, *, now: datetime) -> Owner:
    session_id = new_session_id()
    await queries.begin_session(
        tx, row_id=new_id(), session_id=session_id, now=now, expires=now + SESSION_LIFE
    )
    return Owner(id=session_id, is_guest=True)


async def choose_session(db: Database, session_ids: list[str], *, now: datetime) -> str:
    """Return the first id of a live session; without a live one, the first."""
    async with db.read() as reader:
        live = await queries.list_live_sessions(reader, session_ids=session_ids, now=now)
    return next((each for each in session_ids if each in live), session_ids[0])


def new_session_id() -> str:
    """Return a random id of 192 bits."""
    return secrets.token_urlsafe(_SESSION_BYTES)


def next_session_id(settings: BasketSettings, *, session_id: str, user_id: str) -> str:
    """
    Return the id that a guest's session gets when the guest has become this user and lines remain.

    It cannot be guessed without the secret, and is computed so that a second sign-in finds the
    session again when the answer to the first was lost.
    """
    # A key of its own: what signs tokens must never sign what a visitor can choose.
    secret = settings.session_secret.reveal().encode()
    key = hmac.digest(secret, b"keyshop baskets left behind", "sha256")
    old = f"{user_id}:{session_id}".encode(errors="surrogatepass")
    digest = hmac.digest(key, old, "sha256")
    return urlsafe_b64encode(digest[:_SESSION_BYTES]).decode()


def cookie_of(owner: Owner | None) -> str | None:
    """Return the new value of the visitor's cookie; None: leave the cookie as it is."""
    return owner.id if owner is not None and owner.is_guest else None
