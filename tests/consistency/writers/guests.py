"""Writes guests' baskets: begins and changes them, and moves them to the customer."""

from typing import Final

from keyshop.baskets.migrate import migrate_baskets
from keyshop.baskets.owners import new_session_id
from keyshop.baskets.settings import BasketSettings
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.secrets import Secret
from tests.consistency.contents import (
    TITLED_GAME,
    count_of_lines,
    count_of_wishes,
    mark_of,
    session_of,
    user_of,
)
from tests.consistency.keys import Family, Key, Kind, choose_personal, keys_of, of_kind
from tests.consistency.writers.config import Writing
from tests.consistency.writers.in_transaction import Versions, write_in_transaction
from tests.consistency.writers.person_rows import contents_of, lock_version
from tests.consistency.writers.verbs import step_basket

_MOVED: Final = 0.25  # share of the writes of existing baskets
_WITH_TITLED: Final = (
    0.3  # share of baskets with a game that may be out of stock, and then stays behind
)

_LOCK: Final = 'SELECT 1 FROM sessions WHERE "sessionId" = $1 FOR UPDATE'
_CART: Final = """
    SELECT game_id, quantity FROM keyshop.guest_cart_items WHERE session_id = $1 FOR UPDATE
"""
_WISHES: Final = """
    SELECT game_id FROM keyshop.guest_wishlist_items WHERE session_id = $1 FOR UPDATE
"""
_ADD_SESSION: Final = """
    INSERT INTO sessions (id, "sessionId", data, "expiresAt")
    VALUES ($1, $1, '{}', now() AT TIME ZONE 'UTC' + interval '24 hours')
"""
_ADD_LINE: Final = """
    INSERT INTO keyshop.guest_cart_items (session_id, game_id, quantity, added_at)
    VALUES ($1, $2, $3, now() AT TIME ZONE 'UTC')
"""
_ADD_WISH: Final = """
    INSERT INTO keyshop.guest_wishlist_items (session_id, game_id, added_at)
    VALUES ($1, $2, now() AT TIME ZONE 'UTC')
"""
_EMPTY_CART: Final = 'DELETE FROM cart_items WHERE "userId" = $1'
_EMPTY_WISHLIST: Final = 'DELETE FROM wishlist WHERE "userId" = $1'
_DELETE_SESSION: Final = 'DELETE FROM sessions WHERE "sessionId" = $1'


class GuestWriter:
    """
    Changes the baskets of one guest.

    The transaction that moves them first empties the customer's baskets, which then hold what the
    guest had. An even version is the contents, for guest and customer; the odd one after it means that
    the guest's baskets are gone.
    """

    def __init__(self, writing: Writing, db: Database) -> None:
        self._writing = writing
        self._db = db
        self._keys = of_kind(Kind.GUEST)

    async def write(self) -> None:
        """Begin, change or move the baskets of one guest."""
        dice = self._writing.dice
        keys = keys_of(choose_personal(dice, self._keys).owner)
        async with self._db.transaction() as tx:
            held = await _lock_baskets(tx, keys)
        if not held:
            await self._begin(keys)
        elif dice.random() < _MOVED:
            await self._move(keys)
        else:
            await self._step(dice.choice(list(held)), held)

    async def _step(self, key: Key, held: dict[Key, int]) -> None:
        old = held[key]
        async with self._writing.noted({key.number: old + key.scale}):
            await step_basket(self._db, key, old, old + key.scale, dice=self._writing.dice)

    async def _begin(self, keys: dict[Family, Key]) -> None:
        cart, wishlist = keys[Family.GUEST_CART], keys[Family.GUEST_WISHLIST]
        session = session_of(cart.owner)

        async def choose(tx: Transaction) -> Versions:
            return {
                cart.number: await lock_version(tx, keys[Family.CART]) + cart.scale,
                wishlist.number: await lock_version(tx, keys[Family.WISHLIST]) + wishlist.scale,
            }

        async def change(tx: Transaction, versions: Versions) -> None:
            await tx.execute(_ADD_SESSION, session)
            marks = {mark_of(cart.owner): 1}
            if self._writing.dice.random() < _WITH_TITLED:
                marks[TITLED_GAME] = 1
            lines = {**contents_of(cart, versions[cart.number]), **marks}
            for game, quantity in lines.items():
                await tx.execute(_ADD_LINE, session, game, quantity)
            for game in {**contents_of(wishlist, versions[wishlist.number]), **marks}:
                await tx.execute(_ADD_WISH, session, game)

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)

    async def _move(self, keys: dict[Family, Key]) -> None:
        owner = keys[Family.CART].owner
        left_behind: list[str] = []

        async def choose(tx: Transaction) -> Versions:
            versions: Versions = {}
            # The shop locks the customer before the guest.
            await lock_version(tx, keys[Family.CART])
            for key, version in (await _lock_baskets(tx, keys)).items():
                versions[key.number] = version + 1
                versions[keys[_SAME[key.family]].number] = version
            return versions

        async def change(tx: Transaction, versions: Versions) -> None:
            del versions
            await tx.execute(_EMPTY_CART, user_of(owner))
            await tx.execute(_EMPTY_WISHLIST, user_of(owner))
            moved = await migrate_baskets(
                tx,
                # A new secret, so that each move has another next session id.
                BasketSettings(session_secret=Secret(new_session_id())),
                user_id=user_of(owner),
                session_id=session_of(owner),
                now=utc_now(),
            )
            assert moved is not None
            if moved.remaining_session_id is not None:
                left_behind.append(moved.remaining_session_id)

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)
        async with self._db.transaction() as tx:
            for session in left_behind:
                await tx.execute(_DELETE_SESSION, session)


_SAME: Final = {Family.GUEST_CART: Family.CART, Family.GUEST_WISHLIST: Family.WISHLIST}


async def _lock_baskets(tx: Transaction, keys: dict[Family, Key]) -> dict[Key, int]:
    """Return the versions of a guest's baskets; empty when the guest has none."""
    cart, wishlist = keys[Family.GUEST_CART], keys[Family.GUEST_WISHLIST]
    session = session_of(cart.owner)
    if not await tx.fetch(_LOCK, session):
        return {}
    lines = {line["game_id"]: line["quantity"] for line in await tx.fetch(_CART, session)}
    wishes = {line["game_id"] for line in await tx.fetch(_WISHES, session)}
    return {
        cart: count_of_lines(lines) * cart.scale,
        wishlist: count_of_wishes(wishes) * wishlist.scale,
    }
