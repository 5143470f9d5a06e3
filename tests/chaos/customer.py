"""Customers who pay in, order and cancel over HTTP, and repeat each request until it is answered."""

import asyncio
import json
from collections.abc import Mapping
from random import Random
from typing import Any

import httpx2
from msgspec import Struct, field

from keyshop.accounts.sessions.families import begin_family
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from keyshop.orders.errors import GameOutOfStock
from keyshop.promotions.errors import PromoUsedUp
from keyshop.wallet.errors import InsufficientBalance
from keyshop.wallet.signature import sign
from tests.chaos.back_office import ANSWER_SECONDS, PAUSE_SECONDS, BackOffice, repeat
from tests.factories.account_services import account_services
from tests.factories.browsers import Person
from tests.factories.sessions import add_user

PAYMENT_SECRET = "payments-" + "p" * 32
PROMO = "CHAOS15"

# Of 10 that a customer may place in a minute.
_MAX_ORDERS = 9
_REFUSALS = ("is out of stock", "Insufficient balance", "Promo code has reached maximum uses")
_BEING_PLACED = "This order is being placed. Please wait."


class History(Struct):
    """What the shop has said to all customers."""

    answers: int = 0
    repeated: int = 0
    """Requests that were sent more than once."""

    placed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Customer and Idempotency-Key, by order."""

    refused: set[str] = field(default_factory=set)
    """Keys of orders that were refused."""

    shown: dict[str, frozenset[str]] = field(default_factory=dict)
    """The texts of an order's keys, by order."""

    paid: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Customer and amount, by the provider's id of the payment."""

    cancelled: set[str] = field(default_factory=set)

    def note_order(self, customer: str, key: str, order: Mapping[str, Any]) -> None:
        """Record an answer that shows an order; it must agree with earlier ones."""
        known = self.placed.setdefault(order["id"], (customer, key))
        assert known == (customer, key), "One order answers two keys."
        texts = frozenset(shown["key"] for shown in order["keys"])
        earlier = self.shown.get(order["id"], frozenset())
        # Of two answers that were sent at once, either may be the older one.
        assert texts <= earlier or earlier <= texts, "An order has lost a key."
        self.shown[order["id"]] = texts | earlier


class Customer(Struct):
    """A person with an account who does things one after the other."""

    person: Person
    games: list[str]
    bought_game: str
    """Of which the shop has no keys of its own."""

    office: BackOffice
    history: History
    random: Random
    ordered: list[str] = field(default_factory=list)
    """Ids of orders."""

    refused: int = 0
    to_cancel: list[str] = field(default_factory=list)

    async def shop(self, stop: asyncio.Event) -> None:
        """Pay in, then order and look until `stop` is set or the limit of orders is near."""
        await self.pay_in()
        actions = (
            self.order,
            self.order,
            self.order,
            self.order_bought,
            self.order_bought,
            self.cancel,
            self.look,
            self.pay_in,
        )
        while not stop.is_set() and len(self.ordered) + self.refused < _MAX_ORDERS:
            await self.random.choice(actions)()

    async def order(self) -> None:
        """Order some keys; then perhaps send the same request again."""
        number = self.random.choice((1, 1, 2))
        body: dict[str, Any] = {
            "items": [
                {"gameId": game, "quantity": self.random.randint(1, 2)}
                for game in self.random.sample(self.games, number)
            ]
        }
        if self.random.random() < 0.3:
            body["promoCode"] = self.random.choice((PROMO, PROMO.lower()))
        key = new_id()
        # Sent twice at the same time, as by a double click, or one after the other.
        if self.random.random() < 0.2:
            orders = [*await asyncio.gather(self._place(key, body), self._place(key, body))]
        else:
            orders = [await self._place(key, body)]
            if self.random.random() < 0.3:
                orders.append(await self._place(key, body))
        placed = {order for order in orders if order is not None}
        assert len(placed) <= 1, "One key placed two orders."
        self.ordered += placed
        if placed:
            self.history.refused.discard(key)
        else:
            self.refused += 1

    async def _place(self, key: str, body: Any) -> str | None:
        headers = {"Idempotency-Key": key}
        answer = await self._send("POST", "/api/orders", json=body, headers=headers)
        if answer.status_code == 400:
            assert answer.json()["error"]["message"].endswith(_REFUSALS), answer.text
            self.history.refused.add(key)
            return None
        assert answer.status_code == 201, answer.text
        order = answer.json()["data"]
        self.history.note_order(self.person.id, key, order)
        return str(order["id"])

    async def order_bought(self) -> None:
        """Order keys that the shop has to buy; perhaps change one's mind."""
        key = new_id()
        promo = self.random.choice((PROMO, None))
        try:
            order = await self.office.place(self.person.id, self.bought_game, key, promo)
        except (InsufficientBalance, GameOutOfStock, PromoUsedUp):
            self.refused += 1
            self.history.refused.add(key)
            return
        self.history.placed[order] = (self.person.id, key)
        self.ordered.append(order)
        self.to_cancel.append(order)

    async def cancel(self) -> None:
        """Cancel an order that may have its key in the meantime."""
        if not self.to_cancel:
            return
        order = self.to_cancel.pop()
        answer = await self._send("POST", f"/api/orders/{order}/cancel")
        assert answer.status_code in {200, 409}, answer.text
        if answer.status_code == 200:
            self.history.cancelled.add(order)

    async def look(self) -> None:
        """Look at the own orders."""
        if not self.ordered:
            return
        order = await self._get(f"/api/orders/{self.random.choice(self.ordered)}")
        assert order["userId"] == self.person.id
        listed = {order["id"] for order in await self._get("/api/orders")}
        assert listed >= set(self.ordered)

    async def pay_in(self) -> None:
        """Begin a top-up and let the provider send its notification, perhaps twice at once."""
        amount = f"{self.random.randint(100, 6000) / 100:.2f}"
        wanted = {"amount": float(amount), "currency": "EUR", "paymentMethod": "card"}
        begun = await self._send("POST", "/api/payment/balance-top-up", json=wanted)
        assert begun.status_code == 200, begun.text
        payment_id = new_id()
        notification = json.dumps(
            {
                "intentId": begun.json()["data"]["id"],
                "transactionId": payment_id,
                "amount": float(amount),
                "currency": "EUR",
                "status": "completed",
            }
        ).encode()
        await asyncio.gather(
            *[self._notify(notification) for _ in range(self.random.choice((1, 2)))]
        )
        self.history.paid[payment_id] = (self.person.id, amount)

    async def _notify(self, body: bytes) -> None:
        headers = {"x-payment-signature": sign(Secret(PAYMENT_SECRET), body)}
        answer = await self._send("POST", "/api/payment/webhook", content=body, headers=headers)
        assert answer.status_code == 200, answer.text

    async def _get(self, path: str) -> Any:
        answer = await self._send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def _send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Send the request until the shop has decided about it."""
        attempts = 0
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                attempts += 1
                try:
                    answer = await self.person.request(method, path, **more)
                except httpx2.TransportError:
                    pass
                else:
                    if answer.status_code != 503 and _BEING_PLACED not in answer.text:
                        self.history.answers += 1
                        self.history.repeated += attempts > 1
                        return answer
                await asyncio.sleep(PAUSE_SECONDS)


async def make_person(db: Database, client: httpx2.AsyncClient) -> Person:
    """Return a new person without money, as soon as the database answers."""

    async def sign_in() -> Person:
        account = await add_user(db)
        async with db.transaction() as tx:
            pair = await begin_family(tx, account_services().tokens, account, now=utc_now())
        return Person(client, email=account.email, id=account.id, token=pair.token)

    return await repeat(sign_in)
