"""The simulated marketplace: catalogue, orders, wallet and moods, without any HTTP."""

import random
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path

from g2a_simulator.catalogue import Catalogue
from g2a_simulator.credentials import SANDBOX, Credentials
from g2a_simulator.drift import Drift
from g2a_simulator.errors import NoSuchProduct, Refusal
from g2a_simulator.faults import Faults
from g2a_simulator.ledger import Ledger, RequestLimit
from g2a_simulator.memory import Memory, Mode, Origin
from g2a_simulator.orders import Order, Orders, key_of, status_of
from g2a_simulator.product_fields import Product
from g2a_simulator.settings import Settings
from g2a_simulator.state_file import StateFile
from g2a_simulator.wallet import Wallet

# What one euro costs; the supplier documents neither the currencies it takes nor its rates.
_RATES = {
    "EUR": Decimal(1),
    "USD": Decimal("1.08"),
    "GBP": Decimal("0.86"),
    "PLN": Decimal("4.30"),
}
_FIRST_BALANCE = Decimal(10_000)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Market:
    """The world behind the API; one object, used from one thread."""

    def __init__(
        self,
        products: int = 2000,
        seed: int = 1,
        *,
        mode: Mode = "realistic",
        settings: Settings | None = None,
        credentials: Credentials = SANDBOX,
        clock: Callable[[], datetime] = _utc_now,
        state: Path | None = None,
    ) -> None:
        """
        Make a market, or go on with the one in a state file.

        Raises:
            Unusable: the state file is in use, is none, or belongs to another catalogue.
        """
        self.seed = seed
        self.mode = mode
        self.settings = settings or Settings()
        self.credentials = credentials
        self.clock = clock
        self.catalogue = Catalogue(products, seed=seed, sandbox=mode == "sandbox")
        self.orders = Orders()
        self.wallet = Wallet(_FIRST_BALANCE)
        self.faults = Faults(seed)
        self.ledger = Ledger()
        self.limit = RequestLimit()
        self._drift = Drift(random.Random(seed), since=clock())  # noqa: S311 - repeatable moods
        self._memory = _open_memory(state, Origin(seed=seed, mode=mode))
        if self._memory is not None:
            self._memory.recall(self.catalogue, self.orders, self.wallet)

    def product_ids(self) -> list[str]:
        """List the ids of all products, in the API's order."""
        return [str(self.catalogue.id_of(place)) for place in self.catalogue.places()]

    def first_ids(self, number: int) -> list[str]:
        """List the ids of the first products, without listing all."""
        return [str(self.catalogue.id_of(p)) for p in islice(self.catalogue.places(), number)]

    def product(self, product_id: str) -> Product:
        """
        Return a product as the API emits it, out of stock or not.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
        """
        return self.catalogue.product(_number(product_id))

    def set_product(self, product_id: str, **fields: object) -> None:
        """
        Change documented fields of a product, and its time of update.

        A new `minPrice` takes the retail prices along in proportion unless they are given too.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
            Unusable: a field is not documented, or its value could not come from the API.
        """
        self.catalogue.change(_number(product_id), fields, now=self._seconds())

    def break_product(
        self, product_id: str, *, without: Iterable[str] = (), **fields: object
    ) -> None:
        """
        Show a product with any values at all, or without some fields; nothing given mends it.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
        """
        self.catalogue.override(_number(product_id), fields, frozenset(without))

    def add_product(self, product_id: str, **fields: object) -> None:
        """
        Put another product on offer, or one that was removed back.

        Raises:
            Unusable: there is one with this id already, or a field cannot be set.
        """
        self.catalogue.add(_number(product_id), now=self._seconds())
        self.set_product(product_id, **fields)

    def remove_product(self, product_id: str) -> None:
        """
        Take a product off the list, as if it had never been there.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
        """
        self.catalogue.remove(_number(product_id))

    def catch_up(self) -> None:
        """Let happen what time brings: holds that lapse, prices and stock that drift."""
        now = self.clock()
        hold = timedelta(seconds=self.settings.hold_seconds)
        for order in self.orders.lapse(now=now, hold=hold):
            place = self._find_place(order.product_id)
            if place is not None:
                left = self.catalogue.figures.qty[place]
                self.catalogue.set_stock(place, left + 1, now=int(now.timestamp()))
        self._drift.go_on(self.catalogue, per_second=self.settings.drift_per_second, now=now)

    def place_order(self, product_id: str, *, currency: str, max_price: Decimal) -> Order:
        """
        Take one key of a product out of stock until it is paid or the hold lapses.

        A `max_price` of 0 is no limit; it is held against `minPrice`, whatever is charged.

        Raises:
            Refusal: there is no such product, no stock, a lower ceiling, or another currency.
        """
        place = self._find_place(product_id)
        if place is None:
            raise Refusal("BR04")
        if currency not in _RATES:
            raise Refusal("BR02", message=f"Currency {currency} is not supported")
        figures, now = self.catalogue.figures, self.clock()
        # The sandbox sells although it shows every product as not available.
        refused = self.mode == "realistic" and not self.catalogue.is_buyable(place)
        if figures.qty[place] == 0 or refused:
            raise Refusal(self.settings.out_of_stock, message="Product is out of stock")
        if max_price and Decimal(figures.min_price[place]) / 100 > max_price:
            raise Refusal(self.settings.above_max_price, message="No offer below max_price")
        self.catalogue.set_stock(place, figures.qty[place] - 1, now=int(now.timestamp()))
        return self._new_order(place, currency=currency, now=now)

    def pay_order(self, order: Order) -> Order:
        """
        Pay an order from the wallet; a second payment takes nothing and answers the same.

        Raises:
            Refusal: too late, too little money, or a second payment where that is refused.
        """
        now = self.clock()
        if order.paid_at is not None:
            if self.settings.second_payment != "same answer":
                raise Refusal(self.settings.second_payment)
            return order
        if order.released:
            raise Refusal("ORD114")
        transaction = str(uuid.uuid4())
        self.wallet.pay(order.charge, order_id=order.id, transaction_id=transaction, now=now)
        order.paid_at, order.transaction_id = now, transaction
        self.orders.changed.add(order.id)
        return order

    def order_status(self, order: Order) -> str:
        """Return the state that the details show."""
        processing = timedelta(seconds=self.settings.processing_seconds)
        return status_of(order, now=self.clock(), processing=processing)

    def hand_out_key(self, order: Order) -> str:
        """
        Return the order's key, this once.

        Raises:
            Refusal: the order is not paid or not complete yet, or the key was handed out before.
        """
        if order.paid_at is None:
            raise Refusal("ORD05")
        if self.order_status(order) != "complete":
            raise Refusal(self.settings.not_processed_yet)
        if order.key_shown_at is not None:
            code, _, status = self.settings.downloaded_already.partition(" ")
            raise Refusal(code, status=int(status) if status else None)
        order.key_shown_at = self.clock()
        self.orders.changed.add(order.id)
        return self.key_of(order)

    def key_of(self, order: Order) -> str:
        """Return the key of an order without handing it out."""
        return key_of(order, seed=self.seed, is_file=self.settings.keys_are_files)

    def force_status(self, order_id: str, status: str | None) -> None:
        """
        Let the details of an order show a state, whatever is true; None shows the truth again.

        Raises:
            NoSuchOrder: there is none.
        """
        self.orders.get(order_id).forced_status = status
        self.orders.changed.add(order_id)

    def top_up(self, amount: Decimal) -> None:
        """
        Put money into the wallet.

        Raises:
            Unusable: the amount is not above zero.
        """
        self.wallet.top_up(amount, now=self.clock())

    def move_price(self, product_id: str) -> None:
        """Raise a product's price by a quarter, if there is such a product."""
        place = self._find_place(product_id)
        if place is not None:
            price = self.catalogue.figures.min_price[place]
            self.catalogue.set_price(place, price + max(price // 4, 1), now=self._seconds())

    def sell_out(self, product_id: str) -> None:
        """Take the last key of a product, if there is such a product."""
        place = self._find_place(product_id)
        if place is not None:
            self.catalogue.set_stock(place, 0, now=self._seconds())

    def save(self) -> None:
        """Write what changed into the state file, if there is one."""
        if self._memory is not None:
            self._memory.keep(self.catalogue, self.orders, self.wallet)
        else:
            self.catalogue.changed.clear()
            self.orders.changed.clear()

    def close(self) -> None:
        """Save, and let go of the state file."""
        self.save()
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _find_place(self, product_id: str) -> int | None:
        try:
            return self.catalogue.find_place(_number(product_id))
        except NoSuchProduct:
            return None

    def _seconds(self) -> int:
        return int(self.clock().timestamp())

    def _new_order(self, place: int, *, currency: str, now: datetime) -> Order:
        figures = self.catalogue.figures
        listed = figures.min_price if self.settings.charged == "minPrice" else figures.retail_price
        charge = Decimal(listed[place]) / 100
        price = (charge * _RATES[currency]).quantize(Decimal("0.01"), ROUND_HALF_UP)
        order = Order(
            id=self.orders.free_id(sandbox=self.mode == "sandbox", now=now),
            product_id=str(self.catalogue.id_of(place)),
            price=price,
            currency=currency,
            charge=charge,
            created_at=now,
        )
        self.orders.add(order)
        return order


def _open_memory(state: Path | None, origin: Origin) -> Memory | None:
    return None if state is None else Memory(StateFile(state), origin)


def _number(product_id: str) -> int:
    if not (product_id.isascii() and product_id.isdecimal()) or len(product_id) > 20:
        raise NoSuchProduct(product_id)
    return int(product_id)
