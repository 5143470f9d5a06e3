"""Customers who register and sign in, and what the database then holds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from asyncpg import Record

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.models import ClientInfo, Credentials, Registration, SignInResult
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.register import register
from keyshop.accounts.sessions.tokens import Tokens
from keyshop.accounts.sign_in import sign_in
from keyshop.baskets.change_cart import add_to_cart
from keyshop.baskets.models import Visitor
from keyshop.baskets.settings import BasketLimits
from keyshop.embedded.ports import pick_free
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.secrets import Secret
from tests.factories.baskets import BASKETS
from tests.factories.games import NOON
from tests.factories.sessions import make_tokens
from tests.keyshop.kit.cache.network import Network, network_to

ALICE = "alice@example.com"
HOME = "192.0.2.80"
PASSWORD = "Passw0rd-alice"
OTHER_PASSWORD = "An0ther-password"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def make_account_services(passwords: PasswordPool, tokens: Tokens | None = None) -> AccountServices:
    return AccountServices(
        tokens=tokens or make_tokens(),
        passwords=passwords,
        email_token_keys=EmailTokenKeys(Secret("p" * 32)),
    )


def caller(**overrides: Any) -> ClientInfo:
    return ClientInfo(**{"address": "192.0.2.7", "user_agent": "A browser"} | overrides)


def registration(**overrides: Any) -> Registration:
    return Registration(**{"email": ALICE, "password": PASSWORD, "nickname": "Alice"} | overrides)


async def add_alice(
    db: Database, services: AccountServices, *, now=NOON, session_id=None, **overrides: Any
) -> SignInResult:
    """Register Alice, with overrides, from another network than that of `enter`."""
    there = caller(address=HOME, session_id=session_id)
    return await register(db, services, BASKETS, registration(**overrides), there, now=now)


async def enter(
    db: Database,
    services: AccountServices,
    *,
    email=ALICE,
    password=PASSWORD,
    now=NOON,
    **of_caller: Any,
) -> SignInResult:
    """Sign Alice in; each call is a new device."""
    return await sign_in(
        db,
        services,
        BASKETS,
        Credentials(email=email, password=password),
        caller(**of_caller),
        now=now,
    )


async def guest_with(db: Database, game_id: str, quantity: int = 1) -> str:
    """Add a game to the cart of a new guest, and return the id of the session."""
    session_id = await add_to_cart(
        db, Visitor(), game_id, quantity, limits=BasketLimits(), now=NOON
    )
    assert session_id is not None
    return session_id


async def select_rows(db: Database, sql: str, *args: object) -> list[Record]:
    async with db.read() as reader:
        return await reader.fetch(sql, *args)


async def count(db: Database, table: str) -> int:
    async with db.read() as reader:
        found: int = await reader.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def carts(db: Database) -> dict[str, dict[str, int]]:
    """Return quantities by user or session, and game."""
    found: dict[str, dict[str, int]] = {}
    for line in await select_rows(
        db,
        """SELECT "userId" AS owner, "gameId" AS game, quantity FROM cart_items
        UNION ALL SELECT session_id, game_id, quantity FROM keyshop.guest_cart_items""",
    ):
        found.setdefault(line["owner"], {})[line["game"]] = line["quantity"]
    return found


async def jobs(db: Database) -> list[tuple[str, dict[str, str]]]:
    """Return names and fields of the waiting jobs, the oldest first."""
    return [
        (job["entrypoint"], msgspec.json.decode(job["payload"]))
        for job in await select_rows(
            db, "SELECT entrypoint, payload FROM keyshop.pgqueuer ORDER BY id"
        )
    ]


class _LostAfterCommit(Database):
    network: Network

    async def run(self, *args: Any, **options: Any) -> Any:
        result = await super().run(*args, **options)
        self.network.behind = pick_free()
        self.network.cut()
        return result


@asynccontextmanager
async def lost_after_commit(url: str) -> AsyncIterator[Database]:
    """Yield a database that becomes unreachable once `run` has committed."""
    port = urlsplit(url).port
    assert port is not None
    async with network_to(port) as network:
        through = url.replace(f":{port}/", f":{network.port}/")
        db = _LostAfterCommit(through, guard=RedisCommitGuard(None))
        db.network = network
        await db.open()
        yield db
        await db.close()


def failed_migrations(logs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None]]:
    """Return level and reason of each basket that could not be moved."""
    return [
        (entry["log_level"], entry.get("reason"))
        for entry in logs
        if entry["event"] == "baskets.migration_failed"
    ]


@asynccontextmanager
async def refused_inserts(
    db: Database, table: str, *, times: int = 1_000_000, sqlstate: str = "P0001"
) -> AsyncIterator[None]:
    """Make the database refuse the next `times` inserts into the table while the block runs."""
    async with db.transaction() as tx:
        # A sequence is not rolled back with the transaction.
        await tx.execute("CREATE SEQUENCE public.refused")
        await tx.execute(
            f"""CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('public.refused') <= {times} THEN
                RAISE EXCEPTION 'No more rows today.' USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NEW;
            END $$"""
        )
        await tx.execute(
            f"""CREATE TRIGGER refuse BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION public.refuse()"""
        )
    try:
        yield
    finally:
        async with db.transaction() as tx:
            await tx.execute("DROP FUNCTION public.refuse() CASCADE")
            await tx.execute("DROP SEQUENCE public.refused")
