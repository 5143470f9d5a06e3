"""The text of a key rests nowhere but in the mail to its owner: searched for byte by byte."""

import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import redis

from keyshop.embedded.binaries import get_postgres_program
from keyshop.embedded.valkey import ValkeyServer
from keyshop.keys.settings import KeyStorage
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.orders.refund_order import refund_order
from tests.chaos.customer import make_person
from tests.chaos.test_orders_killed import VARIABLES
from tests.factories.browsers import Person
from tests.factories.games import make_game
from tests.factories.vault import key_texts, make_vault, stock_keys
from tests.factories.wallet import give
from tests.keyshop.embedded.users import wait_until
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess, running
from tests.servers import open_home

# Every key of this test begins with it, and nothing else contains it.
_MARK = "QZJXV-WKQZJ"
_TITLE = "The Unmistakable Quest"

_DAMAGE = """
    UPDATE keyshop.vault_keys SET ciphertext = set_byte(ciphertext, 20, 255 - get_byte(ciphertext, 20))
    WHERE game_id = $1
"""


_COMMANDS = (
    "audit",
    "keys list --json",
    "keys rotate",
)


def list_forms(text: str) -> list[bytes]:
    """Return the text as it may be stored: plain, in UTF-16, in hex or in Base64."""
    data = text.encode()
    # What stands before it shifts Base64; the letters at both ends belong to the neighbours too.
    shifted = [b64encode(bytes(shift) + data)[4 if shift else 0 : -4] for shift in range(3)]
    return [
        data,
        text.encode("utf-16-le"),
        data.hex().encode(),
        data.hex().upper().encode(),
        *shifted,
    ]


def holds_key(data: bytes) -> bool:
    return any(form in data for form in list_forms(_MARK))


@pytest.fixture(scope="module")
def shop() -> Iterator[ShopProcess]:
    with (
        open_home() as folder,
        running(
            folder / "home", "up", "--no-seed", LOG_LEVEL="debug", LOG_FORMAT="json", **VARIABLES
        ) as shop,
    ):
        yield shop


@pytest_asyncio.fixture
async def db(shop: ShopProcess) -> AsyncIterator[Database]:
    db = Database(shop.database_url, guard=RedisCommitGuard(None))
    await db.open()
    yield db
    await db.close()


class Buyer:
    """A customer who orders, and looks at everything that can be seen."""

    def __init__(self, person: Person) -> None:
        self.person = person

    async def order(self, game_id: str, quantity: int, key: str) -> httpx2.Response:
        body = {"items": [{"gameId": game_id, "quantity": quantity}]}
        headers = {"Idempotency-Key": key}
        return await self.person.request("POST", "/api/orders", json=body, headers=headers)

    async def look(self, order_id: str) -> None:
        for _ in range(2):  # the second time from the cache
            order = await self.person.get(f"/api/orders/{order_id}")
            assert all(shown["key"].startswith(_MARK) for shown in order["keys"])
            for path in ("/api/orders", "/api/user/transactions", "/api/user/profile"):
                assert not holds_key((await self.person.request("GET", path)).content)


async def trade(db: Database, buyer: Buyer, game_id: str, damaged_id: str) -> str:
    """Order, look and refund; return the order's id."""
    answer = await buyer.order(game_id, 2, "first")
    assert answer.status_code == 201, answer.text
    assert answer.text.count(_MARK) == 2
    assert (await buyer.order(game_id, 2, "first")).text.count(_MARK) == 2
    order_id = str(answer.json()["data"]["id"])
    await buyer.look(order_id)
    async with db.read() as reader:
        unit_id = await reader.fetchval("SELECT min(id) FROM keyshop.order_units")
    await refund_order(db, order_id, unit_id=unit_id, by="olga", reason="A trial.", now=utc_now())
    await buyer.look(order_id)

    # Requests fail: too many keys, a key that cannot be unsealed.
    assert (await buyer.order(game_id, 99, "second")).status_code == 400
    assert (await buyer.order(damaged_id, 1, "third")).status_code == 503
    return order_id


async def dump_with_waiting_jobs(shop: ShopProcess, buyer: Buyer, game_id: str) -> bytes:
    """Dump the database while an order's jobs wait for the worker."""
    worker = shop.get_process("-m", "keyshop", "worker")
    worker.suspend()
    try:
        answer = await buyer.order(game_id, 3, "fourth")
        assert answer.text.count(_MARK) == 3
        return dump_database(shop)
    finally:
        worker.resume()


def import_keys(shop: ShopProcess, game_id: str, texts: list[str]) -> None:
    """Import the keys twice; nothing that the command says or reports shows a text."""
    with open_home() as folder:
        file = folder / "keys.csv"
        too_long = _MARK * 300
        file.write_text("\n".join([*texts, too_long, f'"{_MARK}', ""]))
        for number, outcome in enumerate((b"added 8", b"duplicate 8")):
            report = folder / f"report-{number}.csv"
            words = ("keys", "import", str(file), "--game", game_id, "--report", str(report))
            said = say(shop, *words)
            assert outcome in said, said
            assert not holds_key(said)
            assert not holds_key(report.read_bytes())


def say(shop: ShopProcess, *words: str) -> bytes:
    """Return all that a command writes, with its log at level debug."""
    done = shop.run(*words, LOG_LEVEL="debug")
    assert "Traceback" not in done.stderr
    return f"{done.stdout}\n{done.stderr}".encode()


def dump_database(shop: ShopProcess) -> bytes:
    program = str(get_postgres_program("pg_dump"))
    return subprocess.run([program, shop.database_url], capture_output=True, check=True).stdout


def dump_redis(shop: ShopProcess) -> bytes:
    """Return all keys and values of the cache."""
    with redis.Redis.from_url(ValkeyServer(shop.home).url) as client:
        return b"\n".join(
            part for name in client.scan_iter() for part in (name, read_value(client, name))
        )


def read_value(client: Any, name: bytes) -> bytes:
    readers = {
        b"string": lambda: client.get(name),
        b"hash": lambda: repr(client.hgetall(name)).encode(),
        b"set": lambda: repr(client.smembers(name)).encode(),
        b"list": lambda: repr(client.lrange(name, 0, -1)).encode(),
        b"zset": lambda: repr(client.zrange(name, 0, -1)).encode(),
    }
    kind = client.type(name)
    return b"" if kind == b"none" else readers[kind]() or b""


def list_files(shop: ShopProcess) -> Iterator[Path]:
    """Return every file of the shop's home but its mails: data and log of PostgreSQL, too."""
    for path in shop.home.rglob("*"):
        if path.is_file() and shop.home / "mail" not in path.parents:
            yield path


def find_files_with_keys(shop: ShopProcess) -> list[Path]:
    found = []
    for path in list_files(shop):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        if holds_key(data):
            found.append(path)
    return found


class TestTextOfAKey:
    async def test_rests_nowhere_but_in_the_mail(self, shop: ShopProcess, db: Database):
        vault = await make_vault(db)
        game_id = await make_game(db, title=_TITLE, inStock=False)
        damaged_id = await make_game(db, title="Damaged", slug="damaged", inStock=False)
        import_keys(shop, game_id, key_texts(8, prefix=_MARK))
        await stock_keys(db, vault, damaged_id, key_texts(1, prefix=f"{_MARK}-DAMAGED"))
        async with db.transaction() as tx:
            await tx.execute(_DAMAGE, damaged_id)

        async with httpx2.AsyncClient(base_url=shop.url, timeout=20) as client:
            buyer = Buyer(await make_person(db, client))
            await give(db, buyer.person.id, "1000.00")
            order_id = await trade(db, buyer, game_id, damaged_id)

            # The mail has the keys.
            mails = shop.home / "mail"
            wait_until(lambda: any(holds_key(mail.read_bytes()) for mail in mails.glob("*")))

            if ValkeyServer(shop.home).is_alive():
                cached = dump_redis(shop)
                assert _TITLE.encode() in cached
                assert not holds_key(cached)
            dump = await dump_with_waiting_jobs(shop, buyer, game_id)
            assert b"mail_order" in dump
            assert _TITLE.encode() in dump
            assert not holds_key(dump)

        for command in (*_COMMANDS, f"users export {buyer.person.email}"):
            assert not holds_key(say(shop, *command.split())), command
        log = shop.log.read_bytes()
        assert order_id.encode() in log
        assert not holds_key(log)
        assert find_files_with_keys(shop) == []

        # Where the owner wants plain texts, the same search finds them.
        plain = await make_vault(db, storage=KeyStorage.PLAIN)
        await stock_keys(db, plain, game_id, key_texts(1, prefix=f"{_MARK}-PLAIN"))
        assert holds_key(dump_database(shop))
        assert find_files_with_keys(shop)
