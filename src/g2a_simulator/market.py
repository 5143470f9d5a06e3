"""The simulated marketplace: catalogue, orders, wallet and faults, without any HTTP."""

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

from g2a_simulator.catalogue import Catalogue
from g2a_simulator.credentials import SANDBOX, BuyerCredentials
from g2a_simulator.drift import Drift
from g2a_simulator.errors import NoSuchProduct
from g2a_simulator.faults import Faults
from g2a_simulator.ledger import Ledger, RequestLimit
from g2a_simulator.market_store import MarketStore, Mode, Origin
from g2a_simulator.orders import Order, Orders, key_of, status_of
from g2a_simulator.product_fields import ProductJson
from g2a_simulator.settings import MarketSettings
from g2a_simulator.state_file import StateFile
from g2a_simulator.wallet import Wallet

_FIRST_BALANCE = Decimal(10_000)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Market:
    """The state behind the API; one object, used from one thread."""

    def __init__(
        self,
        products: int = 2000,
        seed: int = 1,
        *,
        mode: Mode = "realistic",
        credentials: BuyerCredentials = SANDBOX,
        clock: Callable[[], datetime] = _utc_now,
        state: Path | None = None,
    ) -> None:
        """
        Create a market, or load it from a state file.

        Raises:
            InvalidCommand: the state file is in use, not valid, or belongs to another catalogue.
        """
        self.seed = seed
        self.mode = mode
        self.settings = MarketSettings()
        self.credentials = credentials
        self.clock = clock
        self.catalogue = Catalogue(products, seed=seed, sandbox=mode == "sandbox")
        self.orders = Orders()
        self.wallet = Wallet(_FIRST_BALANCE)
        self.faults = Faults(seed)
        self.ledger = Ledger()
        self.limit = RequestLimit()
        self._drift = Drift(random.Random(seed), since=clock())  # noqa: S311 - must be repeatable
        self._store = _open_store(state, Origin(seed=seed, mode=mode))
        if self._store is not None:
            self._store.load(self.catalogue, self.orders, self.wallet)

    def product_ids(self) -> list[str]:
        """List the ids of all products, in the API's order."""
        return [str(self.catalogue.index.id_of(place)) for place in self.catalogue.index.places()]

    def first_ids(self, number: int) -> list[str]:
        """List the ids of the first products, without listing all."""
        return [
            str(self.catalogue.index.id_of(p))
            for p in islice(self.catalogue.index.places(), number)
        ]

    def product(self, product_id: str) -> ProductJson:
        """
        Return a product as the API emits it, in stock or not.

        Raises:
            NoSuchProduct: no product with this id is on offer.
        """
        return self.catalogue.product(_read_id(product_id))

    def set_product(self, product_id: str, **fields: object) -> None:
        """
        Change documented fields of a product, and its time of update.

        A new `minPrice` changes the retail prices in proportion unless they are given as well.

        Raises:
            NoSuchProduct: no product with this id is on offer.
            InvalidCommand: a field is not documented, or the API could not emit its value.
        """
        self.catalogue.change(_read_id(product_id), fields, now=self.seconds())

    def break_product(
        self, product_id: str, *, without: Iterable[str] = (), **fields: object
    ) -> None:
        """
        Emit a product with any values, or without some fields; without arguments, undo it.

        Raises:
            NoSuchProduct: no product with this id is on offer.
        """
        self.catalogue.override(_read_id(product_id), fields, frozenset(without))

    def add_product(self, product_id: str, **fields: object) -> None:
        """
        Put a new product on offer, or one that was removed.

        Raises:
            InvalidCommand: the product is on offer already, or a field cannot be set.
        """
        self.catalogue.add(_read_id(product_id), now=self.seconds())
        self.set_product(product_id, **fields)

    def remove_product(self, product_id: str) -> None:
        """
        Remove a product from the list, as if it had never existed.

        Raises:
            NoSuchProduct: no product with this id is on offer.
        """
        self.catalogue.remove(_read_id(product_id))

    def catch_up(self) -> None:
        """Apply what happens with time: expired holds, and drifting prices and stock."""
        now = self.clock()
        hold = timedelta(seconds=self.settings.hold_seconds)
        for order in self.orders.expire_holds(now=now, hold=hold):
            place = self.find_place(order.product_id)
            if place is not None:
                left = self.catalogue.inventory.qty[place]
                self.catalogue.set_stock(place, left + 1, now=int(now.timestamp()))
        self._drift.advance(self.catalogue, per_second=self.settings.drift_per_second, now=now)

    def order_status(self, order: Order) -> str:
        """Return the state that the details of an order show."""
        processing = timedelta(seconds=self.settings.processing_seconds)
        return status_of(order, now=self.clock(), processing=processing)

    def key_of(self, order: Order) -> str:
        """Return the key of an order without using it up."""
        return key_of(order, seed=self.seed, is_file=self.settings.keys_are_files)

    def force_status(self, order_id: str, status: str | None) -> None:
        """
        Make the details of an order show a state; None shows the true state again.

        Raises:
            NoSuchOrder: there is no such order.
        """
        self.orders.get(order_id).forced_status = status
        self.orders.changed.add(order_id)

    def top_up(self, amount: Decimal) -> None:
        """
        Put money into the wallet.

        Raises:
            InvalidCommand: the amount is not above zero.
        """
        self.wallet.top_up(amount, now=self.clock())

    def save(self) -> None:
        """Write changes to the state file, if there is one."""
        if self._store is not None:
            self._store.save(self.catalogue, self.orders, self.wallet)
        else:
            self.catalogue.changed.clear()
            self.orders.changed.clear()

    def close(self) -> None:
        """Save the changes, and close the state file."""
        self.save()
        if self._store is not None:
            self._store.close()
            self._store = None

    def find_place(self, product_id: str) -> int | None:
        """Return the place of a product in the inventory, or None when it is not on offer."""
        try:
            return self.catalogue.index.find(_read_id(product_id))
        except NoSuchProduct:
            return None

    def seconds(self) -> int:
        """Return the time of the market's clock in seconds since 1970."""
        return int(self.clock().timestamp())


def _open_store(state: Path | None, origin: Origin) -> MarketStore | None:
    return None if state is None else MarketStore(StateFile(state), origin)


def _read_id(product_id: str) -> int:
    if not (product_id.isascii() and product_id.isdecimal()) or len(product_id) > 20:
        raise NoSuchProduct(product_id)
    return int(product_id)
