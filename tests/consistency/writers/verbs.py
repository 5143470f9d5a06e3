"""Writes the next version of personal data with the operations that the shop's API uses."""

from random import Random
from typing import Final

from keyshop.accounts.edit_profile import edit_profile
from keyshop.accounts.models import ProfileChanges
from keyshop.accounts.sessions.families import revoke_all, revoke_family
from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.models import Visitor
from keyshop.baskets.remove_from_cart import remove_from_cart
from keyshop.baskets.settings import BasketLimits
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.consistency.contents import nickname_of, session_of, token_family_of, user_of
from tests.consistency.keys import Family, Key
from tests.consistency.writers.person_rows import changed_lines, contents_of

_LIMITS: Final = BasketLimits()
_BALANCE: Final = "SELECT balance FROM users WHERE id = $1"
_REASON: Final = "consistency check"


def visitor_of(key: Key) -> Visitor:
    """Return the visitor who owns the basket."""
    if key.is_of_guest:
        return Visitor(session_id=session_of(key.owner))
    return Visitor(user_id=user_of(key.owner))


async def step_basket(db: Database, key: Key, old: int, new: int, *, dice: Random) -> None:
    """Change the one line of a cart or a wishlist that the next version changes."""
    before, after = contents_of(key, old), contents_of(key, new)
    ((game, quantity),) = changed_lines(before, after).items()
    session = await _change(db, key, game, quantity, had=before.get(game, 0), dice=dice)
    if session != visitor_of(key).session_id:
        raise RuntimeError(f"The shop changed the session of {key.id} to {session}.")


async def _change(
    db: Database, key: Key, game: str, quantity: int, *, had: int, dice: Random
) -> str | None:
    visitor, now = visitor_of(key), utc_now()
    if key.family in {Family.WISHLIST, Family.GUEST_WISHLIST}:
        if quantity:
            return await add_wish(db, visitor, game, limits=_LIMITS, now=now)
        return await remove_wish(db, visitor, game, now=now)
    if quantity > had and (not had or dice.random() < 0.5):
        return await add_to_cart(db, visitor, game, quantity - had, limits=_LIMITS, now=now)
    if quantity or dice.random() < 0.5:
        return await set_quantity(db, visitor, game, quantity, limits=_LIMITS, now=now)
    return await remove_from_cart(db, visitor, game, now=now)


async def end_sign_ins(tx: Transaction, key: Key, version: int, *, dice: Random) -> None:
    """Sign the customer out of the sign-in of this version."""
    now = utc_now()
    if dice.random() < 0.5:
        await revoke_all(tx, user_of(key.owner), reason=_REASON, now=now)
    else:
        family = token_family_of(key.owner, version)
        await revoke_family(tx, family, reason=_REASON, now=now)


async def step_profile(db: Database, key: Key, old: int) -> None:
    """Give the customer the next nickname; the version is its number and the balance's cents."""
    user = user_of(key.owner)
    async with db.read() as reader:
        cents = int(await reader.fetchval(_BALANCE, user) * 100)
    changes = ProfileChanges(nickname=nickname_of(key.owner, old + 1 - cents))
    await edit_profile(db, user_id=user, changes=changes, now=utc_now())
