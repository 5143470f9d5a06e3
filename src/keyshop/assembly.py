"""Builds the running shop from its parts, as the settings say."""

from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Final

from msgspec import Struct
from pydantic import SecretStr

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.passwords import PasswordPool, count_cores
from keyshop.accounts.sessions.tokens import Tokens, TokenSecrets
from keyshop.baskets.settings import BasketLimits, BasketSettings
from keyshop.embedded.generated_secrets import generate_secrets
from keyshop.embedded.machine import read_machine
from keyshop.gateways.g2a.budget import Budget
from keyshop.gateways.g2a.connect import connect_g2a, open_budget
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.mail.connect import open_mailer
from keyshop.gateways.payments.demo import DemoProvider
from keyshop.keys.open_vault import open_vault
from keyshop.keys.settings import Vault
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.open import FindFault, open_cache, run_outbox_cleanup, run_relay
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.kit.sealing import KeyRing
from keyshop.kit.secrets import Secret
from keyshop.mail.protocol import Mailer
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.queries import find_identity
from keyshop.orders.settings import OrderLimits, Seller
from keyshop.schema.status import was_made_by_keyshop
from keyshop.servers import Servers
from keyshop.settings import Environment, Settings, SettingsError
from keyshop.supplier.protocol import Supplier
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, SyncPolicy
from keyshop.sync.run import Report, run_sync
from keyshop.wallet.settings import PaymentSettings

# The credentials that G2A publishes for its sandbox; the simulator accepts them too.
_SANDBOX: Final = G2ACredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret=Secret(
        "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
    ),
)


class Shop(Struct, frozen=True, kw_only=True):
    """The parts that entry points use; `open_shop` closes them."""

    settings: Settings
    servers: Servers
    db: Database
    cache: Cache
    find_cache_fault: FindFault | None
    """Finds out why the cache is not used; None: the shop runs without Redis."""

    supplier: Supplier
    budget: Budget
    accounts: AccountServices
    baskets: BasketSettings
    vault: Vault
    orders: OrderParts
    mailer: Mailer
    payments: PaymentSettings

    @property
    def database_url(self) -> str:
        """The database's address, for a connection outside the pool."""
        return self.servers.database_url

    @property
    def public_url(self) -> str:
        """The address at which customers reach the shop, for links in mails."""
        return self.settings.shop_url

    def run_relay(self) -> AbstractAsyncContextManager[None]:
        """Deliver other writers' changes to Redis, for the length of a block."""
        return run_relay(self.servers.database_url, self.servers.redis_url)

    async def run_full_sync(self, report: Report | None = None) -> Run:
        """Read the supplier's whole catalogue, as `sync.run.run_sync` does."""
        return await self._sync(RunKind.FULL, report)

    async def run_stock_check(self, report: Report | None = None) -> Run:
        """Update prices and stock from the supplier, as `sync.run.run_sync` does."""
        return await self._sync(RunKind.STOCK, report)

    async def _sync(self, kind: RunKind, report: Report | None) -> Run:
        policy = SyncPolicy(
            price_basis=self.settings.g2a_price_basis, trust_qty=self.settings.trusts_qty
        )
        return await run_sync(
            self.db, self.supplier, kind, policy=policy, clock=utc_now, report=report
        )


@asynccontextmanager
async def open_shop(
    settings: Settings, servers: Servers, *, lock_timeout: float | None = None
) -> AsyncIterator[Shop]:
    """
    Open the shop's parts. The database must answer; Redis need not.

    Transactions wait at most `lock_timeout` seconds for a locked row; None: as long as it takes.

    Raises:
        DatabaseUnavailable: the database does not answer.
        SecretsRefused: the generated secrets cannot be read.
        KeysRefused: KEY_ENCRYPTION_KEYS does not unseal the game keys of the database.
        Invalid: SMTP_URL or MAIL_FROM is invalid.
    """
    url = servers.database_url
    async with AsyncExitStack() as parts:
        secrets = token_secrets(settings)
        accounts = parts.enter_context(account_services(settings, secrets))
        cached = await parts.enter_async_context(open_cache(url, servers.redis_url))
        db = await parts.enter_async_context(
            open_database(url, cached.guard, lock_timeout=lock_timeout)
        )
        vault = await open_vault(db, key_ring(settings), settings.key_storage, now=utc_now())
        budget = await parts.enter_async_context(
            open_budget(url, requests_per_minute=settings.g2a_requests_per_minute)
        )
        supplier = await parts.enter_async_context(
            connect_g2a(
                base_url=supplier_url(settings), credentials=_credentials(settings), budget=budget
            )
        )
        yield Shop(
            settings=settings,
            servers=servers,
            db=db,
            cache=cached.cache,
            find_cache_fault=cached.find_fault,
            supplier=supplier,
            budget=budget,
            accounts=accounts,
            baskets=basket_settings(settings, secrets),
            vault=vault,
            orders=await open_orders(settings, db, vault),
            mailer=open_mailer(
                smtp_url=_secret(settings.smtp_url),
                mail_from=settings.mail_from,
                folder=settings.mail_folder,
            ),
            payments=await open_payments(settings, db),
        )


@asynccontextmanager
async def open_database(
    database_url: str,
    guard: RedisCommitGuard | None = None,
    *,
    lock_timeout: float | None = None,
) -> AsyncIterator[Database]:
    """
    Open the database for the length of the block.

    Without a `guard`, every writing transaction waits for the relay.
    """
    guard = guard or RedisCommitGuard(None)
    db = Database(database_url, guard=guard, lock_timeout=lock_timeout)
    await db.open()
    try:
        async with run_outbox_cleanup(guard, db):
            yield db
    finally:
        await db.close()


async def open_orders(settings: Settings, db: Database, vault: Vault) -> OrderParts:
    """
    Return what orders need, with the mark of this process in the shop's home.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    async with db.read() as reader:
        identity = await find_identity(reader)
    return OrderParts(
        vault=vault,
        mark=HighWaterMark.open(
            settings.keyshop_home / "marks",
            machine=read_machine(settings.keyshop_home),
            identity=identity,
        ),
        limits=OrderLimits(
            max_quantity=settings.cart_max_quantity, max_units=settings.order_max_units
        ),
        seller=Seller(
            name=settings.seller_name or "",
            address=settings.seller_address or "",
            vat_note=settings.seller_vat_note or "",
        ),
    )


@contextmanager
def account_services(settings: Settings, secrets: TokenSecrets) -> Iterator[AccountServices]:
    """Open the services of accounts for the length of the block."""
    passwords = PasswordPool(max(count_cores() // settings.keyshop_workers, 1))
    try:
        yield AccountServices(
            tokens=Tokens(
                secrets,
                access_lifetime=settings.jwt_expires_in,
                refresh_lifetime=settings.jwt_refresh_expires_in,
            ),
            passwords=passwords,
            email_token_keys=EmailTokenKeys(secrets.access, secrets.previous_access),
        )
    finally:
        passwords.close()


def basket_settings(settings: Settings, secrets: TokenSecrets) -> BasketSettings:
    """Return the settings of carts and wishlists."""
    return BasketSettings(
        limits=BasketLimits(
            max_quantity=settings.cart_max_quantity,
            max_lines=settings.cart_max_lines,
            guest_sessions_per_hour=settings.guest_sessions_per_hour,
        ),
        session_secret=secrets.access,
    )


def token_secrets(settings: Settings) -> TokenSecrets:
    """
    Return the secrets of tokens; those that are not set are generated in the shop's home.

    Raises:
        SecretsRefused: the generated secrets cannot be read.
        SettingsError: both secrets are the same.
    """
    configured = {
        "JWT_SECRET": _secret(settings.jwt_secret),
        "JWT_REFRESH_SECRET": _secret(settings.jwt_refresh_secret),
    }
    # In production none is missing: the settings refuse that.
    missing = [name for name, secret in configured.items() if secret is None]
    secrets = configured | generate_secrets(settings.keyshop_home, missing)
    access, refresh = secrets["JWT_SECRET"], secrets["JWT_REFRESH_SECRET"]
    if access is None or refresh is None or access == refresh:
        raise SettingsError("JWT_SECRET and JWT_REFRESH_SECRET must differ.")
    return TokenSecrets(
        access=access,
        previous_access=_secret(settings.jwt_previous_secret),
        refresh=refresh,
        previous_refresh=_secret(settings.jwt_refresh_previous_secret),
    )


def key_ring(settings: Settings) -> KeyRing:
    """
    Return the keys that seal game keys; if none are set, one is generated in the shop's home.

    Raises:
        SecretsRefused: the generated secrets cannot be read.
        BadKeyRing: the generated keys were changed to something else.
    """
    name = "KEY_ENCRYPTION_KEYS"
    return KeyRing.parse(
        settings.key_encryption_keys
        or generate_secrets(settings.keyshop_home, [name])[name].reveal().split(",")
    )


async def open_payments(settings: Settings, db: Database) -> PaymentSettings:
    """
    Return how customers pay in; at an attached database, money for nothing must be asked for.

    Raises:
        SecretsRefused: the generated secrets cannot be read.
        DatabaseUnavailable: the database does not answer.
    """
    takes_demo = settings.takes_demo_payments
    if takes_demo and settings.payment_provider is None:
        async with db.read() as reader:
            takes_demo = await was_made_by_keyshop(reader)
    return PaymentSettings(
        provider=DemoProvider(settings.shop_url) if takes_demo else None,
        secrets=payment_secrets(settings),
    )


def payment_secrets(settings: Settings) -> tuple[Secret, ...]:
    """
    Return the secrets that sign notifications of payments, all of them valid.

    If none are set, one is generated in the shop's home; in production there are then none.

    Raises:
        SecretsRefused: the generated secrets cannot be read.
    """
    if settings.payment_webhook_secrets or settings.keyshop_env is Environment.PRODUCTION:
        return tuple(Secret(value.get_secret_value()) for value in settings.payment_webhook_secrets)
    return tuple(generate_secrets(settings.keyshop_home, ["PAYMENT_WEBHOOK_SECRETS"]).values())


def _secret(value: SecretStr | None) -> Secret | None:
    return None if value is None else Secret(value.get_secret_value())


def supplier_url(settings: Settings) -> str:
    """Return the address of the supplier's API, or of the simulator if no supplier is set."""
    return settings.g2a_api_url or f"http://127.0.0.1:{settings.simulator_port}"


def _credentials(settings: Settings) -> G2ACredentials:
    if (
        settings.g2a_client_id is None
        or settings.g2a_email is None
        or settings.g2a_client_secret is None
    ):
        return _SANDBOX
    return G2ACredentials(
        client_id=settings.g2a_client_id,
        email=settings.g2a_email,
        client_secret=Secret(settings.g2a_client_secret.get_secret_value()),
    )
