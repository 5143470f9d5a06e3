"""Decisions about carts and wishlists, without any I/O."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from keyshop.baskets.errors import BadQuantity, BasketFull, GameOutOfStock, NotInCart
from keyshop.baskets.models import MigratedLine, MigrationCounts, MigrationOutcome
from keyshop.baskets.settings import BasketLimits

SESSION_LIFE: Final = timedelta(hours=24)
"""How long a guest's session lasts after the last write."""

# A shorter id can be guessed. Longer ones, and other characters, are not the shop's.
_is_session_id: Final = re.compile("[A-Za-z0-9_-]{22,64}").fullmatch

_MAX_GAME_ID: Final = 200  # characters

_OUT_OF_STOCK: Final = "This game is out of stock."
_ON_WISHLIST: Final = "This game was already on the wishlist."


class CartState(Struct, frozen=True, kw_only=True):
    """What a change of a game's line depends on."""

    in_stock: bool
    quantity: int | None
    """Of this game; None: there is no line."""

    lines: int
    """Of all games."""


class GuestLine(Struct, frozen=True, kw_only=True):
    """A line of a guest's cart, and the user's quantity `had` of the same game."""

    game_id: str
    title: str
    in_stock: bool
    quantity: int
    had: int | None
    added_at: datetime


class GuestWish(Struct, frozen=True, kw_only=True):
    """A game on a guest's wishlist, and whether the user `had` it too."""

    game_id: str
    title: str
    had: bool
    added_at: datetime


def is_session_id(text: str) -> bool:
    """Test whether a cookie's value can be the id of a guest's session."""
    return _is_session_id(text) is not None


def may_be_game_id(text: str) -> bool:
    """Test whether a query for this id can succeed in PostgreSQL."""
    return len(text) <= _MAX_GAME_ID and "\0" not in text and not _has_half_character(text)


def _has_half_character(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def check_quantity(quantity: int, limits: BasketLimits) -> None:
    """
    Check that a cart may hold that many keys of a game.

    Raises:
        BadQuantity: it may not.
    """
    if quantity < 1:
        raise BadQuantity("Quantity must be greater than 0")
    if quantity > limits.max_quantity:
        raise BadQuantity(_too_many(limits))


def check_addition(state: CartState, quantity: int, limits: BasketLimits) -> None:
    """
    Check that `quantity` more keys of a game may be added to the cart.

    Raises:
        GameOutOfStock: the game cannot be bought.
        BadQuantity: the line would have too many keys.
        BasketFull: the cart already holds the maximum of other games.
    """
    if not state.in_stock:
        raise GameOutOfStock
    if state.quantity is None and state.lines >= limits.max_lines:
        raise BasketFull(f"{_full_cart(limits)} Please remove one first.")
    if (state.quantity or 0) + quantity > limits.max_quantity:
        raise BadQuantity(f"{_too_many(limits)} Yours already has {state.quantity}.")


def check_change(state: CartState, quantity: int) -> None:
    """
    Check that the quantity of a line may be set.

    Raises:
        NotInCart: there is no line.
        GameOutOfStock: the quantity would grow, and the game cannot be bought.
    """
    if state.quantity is None:
        raise NotInCart
    if quantity > state.quantity and not state.in_stock:
        raise GameOutOfStock


def migrate_line(line: GuestLine, *, room: int, limits: BasketLimits) -> MigratedLine:
    """Decide what becomes of a guest's line; `room` is how many more games the user's cart holds."""
    if not line.in_stock:
        return _kept(line, _OUT_OF_STOCK)
    if line.had is None and room <= 0:
        return _kept(line, _full_cart(limits))
    had = max(0, line.had or 0)
    wanted = had + line.quantity
    # A user may have more keys than is allowed now, from a time with another limit.
    quantity = min(wanted, max(had, limits.max_quantity))
    return MigratedLine(
        game_id=line.game_id,
        title=line.title,
        quantity=quantity,
        outcome=MigrationOutcome.CAPPED if quantity < wanted else MigrationOutcome.MERGED,
        reason=_too_many(limits) if quantity < wanted else None,
    )


def migrate_lines(
    lines: Iterable[GuestLine], *, user_lines: int, limits: BasketLimits
) -> list[MigratedLine]:
    """Decide what becomes of a guest's cart; the line added last moves first."""
    migrated = []
    room = limits.max_lines - user_lines
    for line in sorted(lines, key=lambda line: (line.added_at, line.game_id), reverse=True):
        migrated.append(migrate_line(line, room=room, limits=limits))
        room -= line.had is None and migrated[-1].outcome is not MigrationOutcome.KEPT
    return migrated


def migrate_wishes(
    wishes: Iterable[GuestWish], *, user_wishes: int, limits: BasketLimits
) -> list[MigratedLine]:
    """Decide what becomes of a guest's wishlist; the game added last moves first."""
    migrated = []
    room = limits.max_wishes - user_wishes
    for wish in sorted(wishes, key=lambda wish: (wish.added_at, wish.game_id), reverse=True):
        full = room <= 0 and not wish.had
        migrated.append(
            MigratedLine(
                game_id=wish.game_id,
                title=wish.title,
                quantity=1,
                outcome=MigrationOutcome.KEPT if full else MigrationOutcome.MERGED,
                reason=_full_wishlist(limits) if full else _ON_WISHLIST if wish.had else None,
            )
        )
        room -= not wish.had and not full
    return migrated


def check_wish(wishes: int, limits: BasketLimits) -> None:
    """
    Check that one more game fits on the wishlist.

    Raises:
        BasketFull: it already holds the maximum of games.
    """
    if wishes >= limits.max_wishes:
        raise BasketFull(f"{_full_wishlist(limits)} Please remove one first.")


def count_outcomes(lines: Iterable[MigratedLine]) -> MigrationCounts:
    outcomes = [line.outcome for line in lines]
    return MigrationCounts(
        merged=outcomes.count(MigrationOutcome.MERGED),
        capped=outcomes.count(MigrationOutcome.CAPPED),
        kept=outcomes.count(MigrationOutcome.KEPT),
    )


def _kept(line: GuestLine, reason: str) -> MigratedLine:
    return MigratedLine(
        game_id=line.game_id,
        title=line.title,
        quantity=line.quantity,
        outcome=MigrationOutcome.KEPT,
        reason=reason,
    )


def _too_many(limits: BasketLimits) -> str:
    return f"A cart holds at most {limits.max_quantity} keys of one game."


def _full_cart(limits: BasketLimits) -> str:
    return f"A cart holds at most {limits.max_lines} different games."


def _full_wishlist(limits: BasketLimits) -> str:
    return f"A wishlist holds at most {limits.max_wishes} games."
