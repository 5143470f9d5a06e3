"""The section `orders`: places orders over HTTP, compared with pgbench and the same statements."""

import base64
import re
import resource
import secrets
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from asyncpg.connection import LoggedQuery

from bench.accounts.crowd import Crowd, Request
from bench.machine import EMPTY, Machine, copy_database, keyshop_api, postgres_cpu_seconds_so_far
from bench.report import Goal
from keyshop.accounts.addresses import parse_new_email
from keyshop.accounts.check_access import check_access
from keyshop.accounts.models import Account
from keyshop.accounts.queries import add_account
from keyshop.accounts.sessions.families import begin_family
from keyshop.accounts.sessions.tokens import Tokens, TokenSecrets
from keyshop.embedded.binaries import get_postgres_program
from keyshop.keys.add_key import KeyText, add_keys
from keyshop.keys.models import KeySource
from keyshop.keys.open_vault import open_vault
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Connection, Transaction
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.kit.sealing import KeyRing
from keyshop.kit.secrets import Secret
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.models import RequestedItem
from keyshop.orders.place import PlaceRequest, place_order
from keyshop.orders.show_order import OrderReader, show_placed_order
from keyshop.wallet import ledger
from keyshop.wallet.models import Payment

_GAMES: Final = 8  # and orders of each customer, of one game each: ten a minute are allowed
_FILLED: Final = "bench_orders"
_ADD_GAME: Final = """
    INSERT INTO games (id, title, slug, description, price, image, "releaseDate", "updatedAt")
    VALUES ($1, $1, $1, '', 0.05, '', now(), now())
"""
_PAYMENT: Final = Payment(method="bench", description="Credit")
_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}"
)
_PARAMETER: Final = re.compile(r"\$(\d+)\b")
_TAKES_KEY: Final = "SKIP LOCKED"
_LATE: Final = "-- values that depend on the key"


class _Shop(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop and this process share."""

    encryption_key: str
    secrets: TokenSecrets

    @property
    def tokens(self) -> Tokens:
        return Tokens(
            self.secrets, access_lifetime=timedelta(hours=1), refresh_lifetime=timedelta(days=1)
        )

    async def open_vault(self, db: Database) -> Vault:
        ring = KeyRing.parse([self.encryption_key])
        return await open_vault(db, ring, KeyStorage.SEALED, now=utc_now())

    @property
    def variables(self) -> dict[str, str]:
        return {
            "TRUSTED_PROXIES": "127.0.0.1",
            "JWT_SECRET": self.secrets.access.reveal(),
            "JWT_REFRESH_SECRET": self.secrets.refresh.reveal(),
            "KEY_ENCRYPTION_KEYS": self.encryption_key,
        }


class _Customer(msgspec.Struct, frozen=True):
    id: str
    token: str


class _RecordingDatabase(Database):
    """A database that keeps its statements with their arguments."""

    statements: list[tuple[str, tuple[Any, ...]]]

    @asynccontextmanager
    async def _acquire(self, *, for_changes: bool = False) -> AsyncIterator[Connection]:
        async with super()._acquire(for_changes=for_changes) as connection:
            with connection.query_logger(self._keep):
                yield connection

    def _keep(self, query: LoggedQuery) -> None:
        self.statements.append((query.query, tuple(query.args)))


async def compare_orders(machine: Machine) -> None:
    """Place orders one after the other, and let pgbench run the same statements as often."""
    customers = 20 if machine.quick else 100
    number = customers * _GAMES
    shop = _Shop(
        encryption_key=f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        secrets=TokenSecrets(
            access=Secret(secrets.token_hex(32)), refresh=Secret(secrets.token_hex(32))
        ),
    )
    people, statements = await _fill(machine, shop, customers)
    url = await copy_database(machine.postgres, "bench_orders_http", _FILLED)
    ours = _over_http(machine, shop, url, people)
    url = await copy_database(machine.postgres, "bench_orders_pgbench", _FILLED)
    reference = _with_pgbench(machine, url, _script(statements, people), number)
    report = machine.report
    report.title(
        f"orders: {number} orders of one own key, one after the other, cache off; ms of processor time"
    )
    report.line("", "client", "PostgreSQL", "together")
    for name, (client, server) in (("keyshop api", ours), ("pgbench", reference)):
        each = [seconds / number * 1000 for seconds in (client, server, client + server)]
        report.line(name, *each)
    report.line("statements of an order", len(statements))
    report.goals(
        Goal(
            text="  processor time of an order, times pgbench's",
            value=sum(ours) / sum(reference),
            most=2,
        )
    )


async def _fill(
    machine: Machine, shop: _Shop, customers: int
) -> tuple[list[_Customer], list[tuple[str, tuple[Any, ...]]]]:
    """Make games with keys and customers with money, and record the statements of one order."""
    url = await copy_database(machine.postgres, _FILLED, EMPTY)
    db = _RecordingDatabase(url, guard=RedisCommitGuard(None), max_size=2)
    db.statements = []
    await db.open()
    try:
        vault = await shop.open_vault(db)
        async with db.transaction() as tx:
            for game in range(_GAMES):
                await tx.execute(_ADD_GAME, f"game-{game}")
                keys = [
                    KeyText(f"game-{game}", Secret(f"{game}-{key}-{secrets.token_hex(8)}"))
                    # All of pgbench's orders are of the first game.
                    for key in range(customers * (1 if game else _GAMES) + 100)
                ]
                await add_keys(tx, vault, keys, source=KeySource.OWN, now=utc_now())
            people = [await _add_customer(tx, shop, place) for place in range(customers + 6)]
        parts = OrderParts(
            vault=vault, mark=HighWaterMark.open(machine.home / "bench", machine="b", identity="b")
        )
        # PostgreSQL's driver prepares a statement at its first use.
        for person in people[-6:]:
            db.statements.clear()
            await _place(db, shop, parts, person)
        statements = list(db.statements)
        async with db.read() as reader:
            await reader.fetch("VACUUM ANALYZE")
    finally:
        await db.close()
    return people[:customers], statements


async def _add_customer(tx: Transaction, shop: _Shop, place: int) -> _Customer:
    account: Account | None = await add_account(
        tx,
        email=parse_new_email(f"customer-{place}@example.com"),
        password_hash="none",
        nickname="Alice",
        now=utc_now(),
    )
    assert account is not None
    pair = await begin_family(tx, shop.tokens, account, now=utc_now())
    await ledger.credit(
        tx, user_id=account.id, amount=Decimal(100), payment=_PAYMENT, now=utc_now()
    )
    return _Customer(account.id, pair.token)


async def _place(db: Database, shop: _Shop, parts: OrderParts, person: _Customer) -> None:
    """Do what one request does."""
    now = utc_now()
    caller = await check_access(db, PassThrough(), shop.tokens, person.token, now=now)
    request = PlaceRequest(
        user_id=caller.user_id,
        family_id=caller.family_id,
        items=[RequestedItem(game_id="game-0", quantity=1)],
    )
    placed = await place_order(db, parts, request, now=now)
    reader = OrderReader(db=db, cache=PassThrough(), vault=parts.vault)
    await show_placed_order(reader, placed.order_id, placed.keys)


def _over_http(
    machine: Machine, shop: _Shop, url: str, people: Sequence[_Customer]
) -> tuple[float, float]:
    """Return the processor time of the API and of PostgreSQL for one order of each game by each."""
    rounds = [
        [
            Request(
                path="/api/orders",
                address="10.0.0.1",
                token=person.token,
                body=f'{{"items": [{{"gameId": "game-{game}", "quantity": 1}}]}}',
            )
            for person in people
        ]
        for game in range(_GAMES)
    ]
    with keyshop_api(machine, url, more=shop.variables) as (api, port), Crowd(machine) as crowd:
        crowd.send(port, [Request(path="/live", address="10.0.0.1", method="GET")], max_parallel=1)
        before = api.cpu_seconds, postgres_cpu_seconds_so_far(machine)
        for requests in rounds:
            for answer in crowd.send(port, requests, max_parallel=1).answers:
                if answer.status != 201:
                    raise RuntimeError(f"The shop answered {answer.status}: {answer.body[:300]}")
        after = api.cpu_seconds, postgres_cpu_seconds_so_far(machine)
    return after[0] - before[0], after[1] - before[1]


def _with_pgbench(machine: Machine, url: str, script: str, number: int) -> tuple[float, float]:
    """Return the processor time of pgbench and of PostgreSQL for as many runs of the script."""
    path = Path(machine.home / "orders.pgbench")
    path.write_text(script)
    before = _children_seconds(), postgres_cpu_seconds_so_far(machine)
    done = subprocess.run(
        [get_postgres_program("pgbench"), "--no-vacuum", "--protocol=prepared", "--client=1",
         f"--transactions={number}", f"--file={path}", url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or f"{number}/{number}" not in done.stdout:
        raise RuntimeError(f"pgbench failed: {done.stderr[-2000:]}{done.stdout[-500:]}")
    after = _children_seconds(), postgres_cpu_seconds_so_far(machine)
    return after[0] - before[0], after[1] - before[1]


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _script(statements: Sequence[tuple[str, tuple[Any, ...]]], people: Sequence[_Customer]) -> str:
    """
    Return the statements for pgbench, with ids of their own in each run.

    The values that differ from run to run are made by two further statements; the key is the one that
    the statement for it returns.
    """
    key_ids, seen = set[str](), dict[str, str]()
    (buyer,) = {str(args[1]) for query, args in statements if "INSERT INTO orders " in query}
    seen[buyer] = "buyer"
    for query, args in statements:
        if "unnest($1::text[], $2::text[]) AS n (id, unit_id)" in query:
            key_ids.update(args[0])
    lines = list[str]()
    values = list[str]()
    late = list[str]()
    for place, (query, args) in enumerate(statements):
        names = []
        for position, arg in enumerate(args):
            text = _as_text(arg)
            if text is None:
                names.append("NULL")
                continue
            name = f"a{place}_{position}"
            names.append(f":{name}")
            made = f"{_expression(text, seen, key_ids)} AS {name}"
            (late if any(key in text for key in key_ids) else values).append(made)
        sql = _substitute(query, names)
        lines.append(sql + (f" \\gset k_\n{_LATE}" if _TAKES_KEY in query else ";"))
    ids = ", ".join(_literal(person.id) for person in people)
    a_buyer = f"(ARRAY[{ids}])[1 + floor(random() * {len(people)})::int]"
    drawn = ", ".join(
        f"{a_buyer if name == 'buyer' else _random(text)} AS {name}" for text, name in seen.items()
    )
    header = f"SELECT {drawn} \\gset\nSELECT {', '.join(values)} \\gset\n"
    body = "\n".join(lines).replace(_LATE, f"SELECT {', '.join(late)} \\gset")
    return header + body + "\n"


def _random(text: str) -> str:
    """Return an expression for another text of this form."""
    is_digest = len(text) == 64
    return "md5(random()::text) || md5(random()::text)" if is_digest else "gen_random_uuid()::text"


def _substitute(query: str, names: Sequence[str]) -> str:
    """Return the statement on one line, with these names for its parameters."""
    sql = _PARAMETER.sub(lambda found: names[int(found[1]) - 1], re.sub(r"--[^\n]*", "", query))
    # pgbench takes a colon in a text for a variable's.
    return " ".join(sql.split()).rstrip(";").replace("HH24:MI:SS", "HH24-MI-SS")


def _expression(text: str, seen: dict[str, str], key_ids: set[str]) -> str:
    """Return an expression for the text, with new values for its ids."""
    parts = list[str]()
    end = 0
    for found in _ID.finditer(text):
        parts.append(_literal(text[end : found.start()]))
        value = found[0]
        name = "k_id" if value in key_ids else seen.setdefault(value, f"id{len(seen)}")
        parts.append(f":{name}::text")
        end = found.end()
    parts.append(_literal(text[end:]))
    return f"concat({', '.join(parts)})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _as_text(value: Any) -> str | None:
    """Return the value as PostgreSQL reads it; None is NULL."""
    if isinstance(value, list | tuple):
        quoted = [
            "NULL"
            if each is None
            else '"' + str(each).replace("\\", "\\\\").replace('"', '\\"') + '"'
            for each in value
        ]
        return "{" + ",".join(quoted) + "}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds()} seconds"
    return None if value is None else str(value)
