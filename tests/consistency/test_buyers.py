"""Answers of the shop show the versions that the writers of buyers make."""

from pathlib import Path

import pytest_asyncio
from asyncpg import Record

from keyshop.accounts.show_profile import show_profile
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.errors import OrderNotFound
from keyshop.orders.list_orders import list_orders
from keyshop.orders.show_order import OrderReader, show_order
from keyshop.wallet.list_transactions import list_transactions
from keyshop.wallet.show_balance import show_balance
from tests.consistency.answers import observe
from tests.consistency.contents import user_of
from tests.consistency.games import add_watched_games, remove_watched_games
from tests.consistency.keys import ABSENT, KEYS, Family, Key, Kind, of_kind
from tests.consistency.orders import KnownOrders
from tests.consistency.persons import add_persons, remove_persons
from tests.consistency.records import Answer, Outcome, WriteLog, list_writes
from tests.consistency.writers.buyers import BuyerWriter
from tests.consistency.writers.config import WriterConfig, Writing
from tests.consistency.writers.foreign_buyers import ForeignBuyerWriter
from tests.factories.vault import make_vault

_CACHE = PassThrough()
_WRITES = 40
_SHOWN_BY = {
    Family.PROFILE: show_profile,
    Family.BALANCE: show_balance,
    Family.TRANSACTIONS: list_transactions,
    Family.ORDERS: list_orders,
}
_VIOLATIONS = "SELECT * FROM keyshop.violations"


@pytest_asyncio.fixture
async def orders(db: Database, tmp_path: Path) -> OrderParts:
    """Return what orders need, in a shop with the watched customers."""
    await add_watched_games(db, {})
    await add_persons(db)
    mark = HighWaterMark.open(tmp_path / "marks", machine="tests", identity="tests")
    return OrderParts(vault=await make_vault(db), mark=mark)


def make_writing(kind: Kind, log: Path, database_url: str) -> Writing:
    config = WriterConfig(
        kind=kind, per_second=1, seed=7, log=str(log), database_url=database_url, began=0
    )
    return Writing(config, WriteLog(log))


def last_versions(log: Path) -> dict[int, int]:
    """Return the newest acknowledged version of every key in the notes."""
    notes = [write for write in list_writes(log) if write.outcome == Outcome.ACKNOWLEDGED]
    return {write.key: write.version for write in notes}


async def read(db: Database, orders: OrderParts, key: Key) -> bytes | None:
    """Return the shop's answer; None: there is no such order."""
    user, now = user_of(key.owner), utc_now()
    if key.family is not Family.ORDER:
        return await _SHOWN_BY[key.family](db, _CACHE, user_id=user, now=now)
    known = KnownOrders()
    known.remember(key, await list_orders(db, _CACHE, user_id=user, now=now))
    parts = OrderReader(db=db, cache=_CACHE, vault=orders.vault)
    try:
        return await show_order(parts, order_id=known.find(key) or "", user_id=user, now=now)
    except OrderNotFound:
        return None


async def shown_versions(db: Database, orders: OrderParts, keys: list[Key]) -> dict[int, int]:
    """Return the versions that the answers show, of all keys that they show."""
    shown: dict[int, int] = {}
    for key in keys:
        body = await read(db, orders, key)
        if body is not None:
            [(answer, number, version)] = observe(key, body)
            assert answer == Answer.SHOWN
            shown[number] = version
    return shown


async def write(db: Database, orders: OrderParts, writing: Writing) -> None:
    if writing.config.kind is Kind.BUYER:
        buyers = BuyerWriter(writing, db, orders)
        for _ in range(_WRITES):
            await buyers.write()
        return
    foreign = ForeignBuyerWriter(writing)
    for _ in range(_WRITES):
        await foreign.write()
    foreign.close()


async def list_violations(db: Database) -> list[Record]:
    async with db.read() as reader:
        return await reader.fetch(_VIOLATIONS)


class TestBuyers:
    async def test_show_every_version_that_their_writer_notes(
        self, db, orders, database_url, tmp_path
    ):
        log = tmp_path / "writes"
        await write(db, orders, make_writing(Kind.BUYER, log, database_url))

        shown = await shown_versions(db, orders, of_kind(Kind.BUYER))

        noted = last_versions(log)
        # An order that is wholly refunded has no version, and none is placed for some buyers.
        assert shown.pop(-1, None) in {None, -2}
        assert {number: noted.get(number, 2) for number in shown} == shown
        assert {KEYS[number].family for number in shown} == {*_SHOWN_BY, Family.ORDER}
        assert await list_violations(db) == []

    async def test_of_a_foreign_program_show_every_version_that_it_notes(
        self, db, orders, database_url, tmp_path
    ):
        log = tmp_path / "writes"
        await write(db, orders, make_writing(Kind.FOREIGN_BUYER, log, database_url))

        shown = await shown_versions(db, orders, of_kind(Kind.FOREIGN_BUYER))

        noted = last_versions(log)
        first = {key.number: key.first_version for key in of_kind(Kind.FOREIGN_BUYER)}
        for number, version in (first | noted).items():
            is_absent = KEYS[number].comes_and_goes and version % 2
            assert shown.get(number, ABSENT) == (ABSENT if is_absent else version)

    async def test_leave_nothing_wrong_behind(self, db, orders, database_url, tmp_path):
        for kind in (Kind.BUYER, Kind.FOREIGN_BUYER):
            await write(db, orders, make_writing(kind, tmp_path / kind.name, database_url))

        await remove_persons(db)
        await remove_watched_games(db)

        assert await list_violations(db) == []
