"""Processes in which customers shop until the process is killed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from msgspec import Struct

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.models import ClientInfo, Credentials, Registration, SignInResult
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.register import register
from keyshop.accounts.sessions.tokens import Tokens, TokenSecrets
from keyshop.accounts.sign_in import sign_in
from keyshop.baskets.change_cart import add_to_cart
from keyshop.baskets.change_wishlist import add_wish
from keyshop.baskets.migrate import migrate_part
from keyshop.baskets.models import Migration, Part, Visitor
from keyshop.baskets.settings import BasketLimits, BasketSettings
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret

# High limits: nothing is capped, so every key can be counted.
_LIMITS = BasketLimits(max_quantity=1_000_000, max_lines=1_000, max_wishes=1_000_000)
BASKETS = BasketSettings(limits=_LIMITS, session_secret=Secret("s" * 32))
_PASSWORD = "Sesame-Open-1"


class Started(Struct, frozen=True):
    """The next action adds `number` keys of a game to a cart, or a game to a wishlist."""

    kind: str
    game: str
    number: int


class Acknowledged(Struct, frozen=True):
    """The last action was acknowledged."""


def shop_until_killed(url: str, games: list[str], seed: int, messages: Connection) -> None:
    """Shop until this process is killed; e-mail addresses begin with the seed."""
    asyncio.run(_shop(url, games, seed, messages))


async def _shop(url: str, games: list[str], seed: int, messages: Connection) -> None:
    random = Random(seed)
    db = Database(url, guard=RedisCommitGuard(None))
    await db.open()
    while True:
        shopper = _Shopper(db, games, random, messages, f"{seed}-{new_id()}@example.com")
        for _ in range(25):
            await shopper.do_something()


class Committed(Struct, frozen=True):
    """A sign-in or a registration is committed, and no basket has been moved."""


def enter_and_stop(url: str, verb: str, email: str, session_id: str, messages: Connection) -> None:
    """Register or sign in, and stop between that commit and the migration of the basket."""
    asyncio.run(_enter_and_stop(url, verb, email, session_id, messages))


async def _enter_and_stop(
    url: str, verb: str, email: str, session_id: str, messages: Connection
) -> None:
    db = _StopsAfterCommit(url, guard=RedisCommitGuard(None))
    db.messages = messages
    await db.open()
    client_info = ClientInfo(address="192.0.2.1", session_id=session_id)
    if verb == "register":
        await register_at(db, email, client_info)
    else:
        await sign_in_at(db, email, client_info)


class _StopsAfterCommit(Database):
    messages: Connection

    async def run(self, *args: Any, **options: Any) -> Any:
        await super().run(*args, **options)
        self.messages.send(Committed())
        await asyncio.Event().wait()


async def register_at(db: Database, email: str, client_info: ClientInfo) -> SignInResult:
    """Open an account with the password of all shoppers."""
    fields = Registration(email=email, password=_PASSWORD)
    return await register(db, _services(), BASKETS, fields, client_info, now=utc_now())


async def sign_in_at(db: Database, email: str, client_info: ClientInfo) -> SignInResult:
    """Sign in with the password of all shoppers."""
    credentials = Credentials(email=email, password=_PASSWORD)
    return await sign_in(db, _services(), BASKETS, credentials, client_info, now=utc_now())


@cache
def _services() -> AccountServices:
    secrets = TokenSecrets(access=Secret("a" * 32), refresh=Secret("r" * 32))
    return AccountServices(
        tokens=Tokens(
            secrets, access_lifetime=timedelta(hours=1), refresh_lifetime=timedelta(days=1)
        ),
        passwords=PasswordPool(threads=1, cost=4),
        email_token_keys=EmailTokenKeys(secrets.access),
    )


class _Shopper:
    """A visitor with a browser, who registers at some time."""

    def __init__(
        self,
        db: Database,
        games: list[str],
        random: Random,
        messages: Connection,
        email: str,
    ) -> None:
        self._db = db
        self._random = random
        self._news = messages
        self._games = games
        # Each visitor wishes each game once, so that wishes can be counted like keys.
        self._to_wish = random.sample(games, len(games))
        self._email = email
        self._address = f"2001:db8:{random.randrange(65536):x}:{random.randrange(65536):x}::1"
        self._user_id: str | None = None
        self._cookie: str | None = None

    async def do_something(self) -> None:
        """Do one random action of a shopper."""
        actions: list[Callable[[], Awaitable[None]]] = [
            self._add,
            self._add,
            self._wish,
            self._enter,
        ]
        if self._user_id is not None:
            actions += [self._add_signed_in, self._migrate]
        await self._random.choice(actions)()

    async def _add(self) -> None:
        self._cookie = await self._put(Visitor(session_id=self._cookie))

    async def _add_signed_in(self) -> None:
        await self._put(Visitor(user_id=self._user_id, session_id=self._cookie))

    async def _put(self, visitor: Visitor) -> str | None:
        game, number = self._random.choice(self._games), self._random.randint(1, 3)
        self._news.send(Started("cart", game, number))
        cookie = await add_to_cart(self._db, visitor, game, number, limits=_LIMITS, now=utc_now())
        self._news.send(Acknowledged())
        return cookie

    async def _wish(self) -> None:
        if not self._to_wish:
            return
        game = self._to_wish.pop()
        self._news.send(Started("wishlist", game, 1))
        visitor = Visitor(session_id=self._cookie)
        self._cookie = await add_wish(self._db, visitor, game, limits=_LIMITS, now=utc_now())
        self._news.send(Acknowledged())

    async def _enter(self) -> None:
        verb = register_at if self._user_id is None else sign_in_at
        entered = await verb(self._db, self._email, self._client_info())
        self._user_id = entered.account.id
        self._update_cookie(entered.migration)

    def _client_info(self) -> ClientInfo:
        return ClientInfo(address=self._address, session_id=self._cookie)

    async def _migrate(self) -> None:
        assert self._user_id is not None
        for part in Part:
            migration = await migrate_part(
                self._db,
                BASKETS,
                part,
                user_id=self._user_id,
                session_id=self._cookie,
                now=utc_now(),
            )
            self._update_cookie(migration)

    def _update_cookie(self, migration: Migration | None) -> None:
        """Store the cookie as a browser does."""
        if migration is not None:
            self._cookie = migration.remaining_session_id
