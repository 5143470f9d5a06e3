"""Refusals of orders; those of money, promo codes and keys are in their own packages."""

from collections.abc import Sequence

from keyshop.kit.errors import Conflict, Invalid, Mismatch, NotFound, TooMany, Unavailable


class EmptyOrder(Invalid):
    def __init__(self) -> None:
        super().__init__("The order has no items.")


class BadQuantity(Invalid):
    """An order cannot hold that many keys of one game."""

    def __init__(self, max_quantity: int) -> None:
        super().__init__(f"Quantity must be a whole number from 1 to {max_quantity}")


class TooManyUnits(Invalid):
    """All games together are too many keys for one order."""

    def __init__(self, max_units: int) -> None:
        super().__init__(f"An order can hold at most {max_units} keys.")


class GameOutOfStock(Invalid):
    """The shop can sell fewer keys of the game than were ordered."""

    def __init__(self, title: str) -> None:
        super().__init__(f"Game {title} is out of stock")


class BadIdempotencyKey(Invalid):
    def __init__(self) -> None:
        super().__init__("Idempotency-Key must be 1 to 255 visible ASCII characters.")


class IdempotencyKeyReused(Mismatch):
    """The same key came with other items or another promo code."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another order.")


class OrderBeingPlaced(Conflict):
    """A request with the same idempotency key is in progress."""

    def __init__(self) -> None:
        super().__init__("This order is being placed. Please wait.")


class TooManyOrders(TooMany):
    def __init__(self, *, retry_after: float) -> None:
        super().__init__(
            "Too many orders. Please wait a moment and try again.", retry_after=retry_after
        )


class CustomerNotFound(NotFound):
    """The customer was deleted or erased after the token was checked."""

    def __init__(self) -> None:
        super().__init__("User not found")


class GamesNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Some games not found")


class OrderTooLarge(Invalid):
    """The sum of the prices is more than an order can hold."""

    def __init__(self) -> None:
        super().__init__("The order costs too much. Please order fewer games at a time.")


class OrderNotFound(NotFound):
    """There is no such order, or it is another customer's."""

    def __init__(self) -> None:
        super().__init__("Order not found")


class NotCancellable(Conflict):
    """A key is delivered, or nothing is left to cancel."""

    def __init__(self) -> None:
        super().__init__("This order can no longer be cancelled.")


class AlreadyRefunded(Conflict):
    def __init__(self) -> None:
        super().__init__("This unit was refunded already.")


class KeysUnreadable(Unavailable):
    """Own keys were taken that cannot be unsealed; the log names them. Nothing was done."""

    def __init__(self) -> None:
        super().__init__("This order cannot be delivered at the moment. Please try again later.")


class BadReason(Invalid):
    """A reason has no text, too much of it, or a character that cannot be stored."""

    def __init__(self, max_length: int) -> None:
        super().__init__(f"The reason must have 1 to {max_length} characters.")


class SeveralOrders(Conflict):
    """The ids of several orders begin as the text that an operator gave."""

    def __init__(self, text: str, order_ids: Sequence[str]) -> None:
        super().__init__(
            f"Several orders begin with {text}; give more of the id: {', '.join(order_ids)}."
        )


class NothingToRefund(Conflict):
    """Each unit of the order was refunded."""

    def __init__(self) -> None:
        super().__init__("All units of this order were refunded already.")


class UnitNotFound(NotFound):
    """The order has no such unit."""

    def __init__(self, unit_id: str) -> None:
        super().__init__(f"The order has no unit {unit_id}; `keyshop orders show` lists them.")


class NotPlacedHere(Conflict):
    """Another program has placed the order: its units, and what was paid, are unknown."""

    def __init__(self, order_id: str) -> None:
        super().__init__(
            f"Order {order_id} was not placed by keyshop, which does not know what was paid for it."
            " `keyshop wallet top-up` gives a customer money."
        )


class KeyNotFree(Conflict):
    """A key that is to be delivered is held, revoked or another unit's."""

    def __init__(self, vault_key_id: str) -> None:
        super().__init__(
            f"Key {vault_key_id} is not free; `keyshop keys list --held` shows held ones."
        )


class UnitChanged(Conflict):
    """A unit or its key is no longer what it was when it was read."""

    def __init__(self) -> None:
        super().__init__("Another request has changed this order. Please try again.")


class TransitionRefused(Conflict):
    """An order cannot change so; another program has set its status to something else."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"An order that is {before} cannot become {after}.")


class BuyingPaused(Unavailable):
    """After a restore it is not known yet what the database has lost; nothing was done."""

    def __init__(self) -> None:
        super().__init__("Buying is paused at the moment. Please try again later.")


class NoAddress(Conflict):
    """The customer was erased."""

    def __init__(self) -> None:
        super().__init__("This customer was erased and has no address to which a mail can go.")


class NothingToSend(Conflict):
    """Another program has placed the order and has not finished it."""

    def __init__(self) -> None:
        super().__init__("This order was not placed by keyshop and is not finished yet.")
