"""
A process that reads personal data as the shop's API does: carts, wishlists, profiles and access.

Its only argument is a `PersonReaderConfig` in JSON. It runs until it is terminated.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from random import Random
from secrets import token_urlsafe
from time import monotonic_ns
from typing import Final

import msgspec
import structlog
import uvloop
from prometheus_client import REGISTRY

from keyshop.accounts.check_access import check_access
from keyshop.accounts.errors import TokenRefused
from keyshop.accounts.show_profile import show_profile
from keyshop.assembly import Shop
from keyshop.baskets.models import Visitor
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_user_wishlist, show_wishlist
from keyshop.entrypoints.cli.parent import exit_with_parent
from keyshop.entrypoints.cli.session import shop
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.protocol import Cache, Load
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import ShopError, Unavailable
from keyshop.orders.errors import OrderNotFound
from keyshop.orders.list_orders import list_orders
from keyshop.orders.show_order import OrderReader, show_order
from keyshop.wallet.list_transactions import list_transactions
from keyshop.wallet.show_balance import show_balance
from tests.consistency.answers import observe
from tests.consistency.contents import session_of, user_of
from tests.consistency.keys import (
    ABSENT,
    OF_ORDERS,
    PERSONAL,
    Family,
    Key,
    choose_personal,
    keys_of,
)
from tests.consistency.orders import KnownOrders
from tests.consistency.records import Answer, ReadLog
from tests.consistency.requests import path_of
from tests.consistency.sign_ins import SignIns

_PAUSE: Final = 0.01  # seconds after each answer, so that the readers of games get processor time
_ANOTHERS_SHARE: Final = 0.5  # of the reads of an order that first ask for another customer's
_RETRY_DELAY: Final = 0.1  # seconds
_SECRET_BYTES: Final = 32

_log = structlog.get_logger(__name__)


class PersonReaderConfig(msgspec.Struct, frozen=True):
    """Which cache to read, how fast, and where to write the notes."""

    api: int
    """The number of this process in the notes, after those of the API processes."""

    max_parallel: int
    seed: int
    log: str
    metrics: str
    """The file to which the cache's counts are written once a second."""


class _RecordingCache:
    """A cache that keeps its last answer."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.answer: bytes | None = None

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        self.answer = await self._cache.read(key, load, now=now)
        return self.answer


_OF_CUSTOMERS: Final = {
    Family.PROFILE: show_profile,
    Family.BALANCE: show_balance,
    Family.TRANSACTIONS: list_transactions,
}


class _ShopReads:
    """Reads personal data as the API does."""

    def __init__(self, shop: Shop, dice: Random) -> None:
        self._db = shop.db
        self._cache = shop.cache
        self._orders = OrderReader(db=shop.db, cache=shop.cache, vault=shop.vault)
        self._known_orders = KnownOrders()
        self._dice = dice
        self._sign_ins = SignIns(token_urlsafe(_SECRET_BYTES))

    def find_key(self, key: Key) -> Key:
        """Return what to read: the list of orders while no order is known, otherwise the key."""
        if key.family is Family.ORDER and self._known_orders.find(key) is None:
            return keys_of(key.owner)[Family.ORDERS]
        return key

    async def read(self, key: Key) -> bytes | None:
        """Return the answer; None when the basket does not exist."""
        now = utc_now()
        show = _OF_CUSTOMERS.get(key.family)
        if show is not None:
            return await show(self._db, self._cache, user_id=user_of(key.owner), now=now)
        if key.family is Family.ACCESS:
            return await self._read_access(key, now)
        if key.family in OF_ORDERS:
            return await self._read_orders(key, now)
        if key.is_of_guest:
            visitor = Visitor(session_id=session_of(key.owner))
        else:
            visitor = Visitor(user_id=user_of(key.owner))
        if key.family in {Family.CART, Family.GUEST_CART}:
            return await show_cart(self._db, self._cache, visitor, now=now)
        show_wishes = self._dice.choice((show_wishlist, show_user_wishlist))
        return await show_wishes(self._db, self._cache, visitor, now=now)

    async def _read_orders(self, key: Key, now: datetime) -> bytes | None:
        user, order_id = user_of(key.owner), self._known_orders.find(key)
        if key.family is Family.ORDERS or order_id is None:
            body = await list_orders(self._db, self._cache, user_id=user, now=now)
            self._known_orders.remember(key, body)
            return body
        shown = None
        if self._dice.random() < _ANOTHERS_SHARE:
            # It must be refused; if it is not, the answer says whose it is.
            anothers = self._known_orders.choose_anothers(self._dice, key)
            shown = await self._find_order(anothers or order_id, user, now)
        return shown or await self._find_order(order_id, user, now)

    async def _find_order(self, order_id: str, user: str, now: datetime) -> bytes | None:
        try:
            return await show_order(self._orders, order_id=order_id, user_id=user, now=now)
        except OrderNotFound:
            return None

    async def _read_access(self, key: Key, now: datetime) -> bytes | None:
        """Present the token of a sign-in that may have ended, and return the account's valid sign-ins."""
        version = self._sign_ins.guess(key.owner)
        token = self._sign_ins.sign(key.owner, version)
        cache = _RecordingCache(self._cache)
        try:
            signed_in = await check_access(self._db, cache, self._sign_ins.tokens, token, now=now)
        except TokenRefused:
            return cache.answer
        self._sign_ins.remember(key.owner, version)
        return msgspec.json.encode({"families": [signed_in.family_id]})


class _Reader:
    """Reads one key after the other."""

    def __init__(self, config: PersonReaderConfig, shop: Shop, dice: Random, log: ReadLog) -> None:
        self._config = config
        self._dice = dice
        self._log = log
        self._reads = _ShopReads(shop, dice)

    async def keep_reading(self) -> None:
        """Read until cancelled."""
        while True:
            await self._read(self._reads.find_key(choose_personal(self._dice, PERSONAL)))
            await asyncio.sleep(_PAUSE)

    async def _read(self, key: Key) -> None:
        invoked = monotonic_ns()
        try:
            body = await self._reads.read(key)
            self._note_shown(key, body, invoked, monotonic_ns())
        except Unavailable:
            self._note(Answer.UNAVAILABLE, 0, key.number, 0, key, invoked, monotonic_ns())
        except Exception:  # noqa: BLE001 - any other error would be a 500 for a visitor
            _log.exception("reader.failed", key=key.id)
            self._note(Answer.WRONG_STATUS, 0, key.number, 0, key, invoked, monotonic_ns())

    def _note_shown(self, key: Key, body: bytes | None, invoked: int, returned: int) -> None:
        if body is None:
            self._note(Answer.SHOWN, 0, key.number, ABSENT, key, invoked, returned)
            return
        for place, (answer, number, version) in enumerate(observe(key, body)):
            self._note(answer, place, number, version, key, invoked, returned)

    def _note(
        self,
        answer: Answer,
        place: int,
        number: int,
        version: int,
        key: Key,
        invoked: int,
        returned: int,
    ) -> None:
        self._log.add(
            answer, path_of(key.family), self._config.api, place, number, version, invoked, returned
        )  # fmt: skip


async def _read(config: PersonReaderConfig) -> None:
    log = ReadLog(Path(config.log))
    dice = Random(config.seed)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        while not stopped.is_set():
            try:
                async with shop() as parts:
                    await _read_until(stopped, config, parts, dice, log)
            except (ShopError, OSError, TimeoutError) as error:
                _log.warning("reader.could_not_start", reason=str(error))
                await asyncio.sleep(_RETRY_DELAY)
    finally:
        log.close()


async def _read_until(
    stopped: asyncio.Event, config: PersonReaderConfig, parts: Shop, dice: Random, log: ReadLog
) -> None:
    reader = _Reader(config, parts, dice, log)
    work = [asyncio.create_task(reader.keep_reading()) for _ in range(config.max_parallel)]
    while not stopped.is_set():
        for task in work:
            if task.done():
                task.result()
        _write_metrics(Path(config.metrics))
        log.flush()
        try:
            await asyncio.wait_for(stopped.wait(), 1)
        except TimeoutError:
            continue
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    _write_metrics(Path(config.metrics))


def _write_metrics(path: Path) -> None:
    """Write the number of cache reads, by family and outcome."""
    counts: dict[str, dict[str, int]] = {}
    for metric in REGISTRY.collect():
        if metric.name == "keyshop_cache_reads":
            for sample in metric.samples:
                if sample.name == "keyshop_cache_reads_total":
                    of_family = counts.setdefault(sample.labels["family"], {})
                    of_family[sample.labels["outcome"]] = int(sample.value)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(counts))
    new.replace(path)


def main() -> None:
    """Read as the configuration says."""
    exit_with_parent(os.getppid())
    uvloop.run(_read(msgspec.json.decode(sys.argv[1], type=PersonReaderConfig)))


if __name__ == "__main__":
    main()
