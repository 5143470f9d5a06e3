"""Demo accounts and a promo code, for a shop that is being tried out."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from keyshop.accounts.addresses import parse_new_email
from keyshop.accounts.errors import EmailTaken
from keyshop.accounts.models import Role
from keyshop.accounts.queries import add_account, find_account
from keyshop.assembly import Shop
from keyshop.entrypoints.cli.attached import is_attached
from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.promotions.create_promo import create_promo
from keyshop.promotions.errors import PromoExists
from keyshop.promotions.models import NewPromo
from keyshop.settings import Environment, Settings
from keyshop.wallet import ledger
from keyshop.wallet.models import Payment

DEMO_PASSWORD: Final = "Passw0rd-demo"  # noqa: S105 - public


class DemoAccount(Struct, frozen=True, kw_only=True):
    """An account with a public password."""

    email: str
    nickname: str
    description: str
    role: Role
    balance: Decimal = Decimal(0)


DEMO_ACCOUNTS: Final = (
    DemoAccount(
        email="alice@example.com",
        nickname="Alice",
        description="a customer with 100.00 EUR",
        role=Role.USER,
        balance=Decimal("100.00"),
    ),
    DemoAccount(
        email="admin@example.com",
        nickname="Admin",
        description="an administrator",
        role=Role.ADMIN,
    ),
)

_HAS_USERS: Final = "SELECT EXISTS (SELECT FROM users)"
_LIST_EMAILS: Final = "SELECT email FROM users WHERE email = ANY($1)"

_CREDIT: Final = Payment(method="demo", description="Credit to try the shop with")

# The one code that the storefront's checkout accepts.
_PROMO_CODE: Final = "GKEYS10"
_PROMO_PERCENT: Final = Decimal(10)
_PROMO_LIFE: Final = timedelta(days=10 * 365)

_ACTOR: Final = "keyshop up"
_SUBJECT: Final = Subject("shop", "demo accounts")


async def make_demo_accounts(shop: Shop, *, now: datetime) -> None:
    """
    Create the demo accounts and the promo code, once in the life of a database.

    An account that was erased is not created again.

    Their password is public. So they are created only in a database that keyshop made for trying
    out: the embedded one, or a given one without customers. They are never created in an attached
    database, in production, or while other machines can reach the shop.
    """
    async with shop.db.hold_lock("demo accounts") as acquired:
        if not acquired or not await _may_create(shop):
            return
        password_hash = await shop.accounts.passwords.hash(DEMO_PASSWORD)
        async with shop.db.transaction() as tx:
            for account in DEMO_ACCOUNTS:
                await _create(tx, account, password_hash, now=now)
            await _create_promo(tx, now=now)
            await record(
                tx,
                actor=_ACTOR,
                action="demo.accounts",
                subject=_SUBJECT,
                details={"accounts": len(DEMO_ACCOUNTS)},
                now=now,
            )


def warn_of_network(settings: Settings, accounts: Collection[DemoAccount]) -> str | None:
    """Return the warning for a shop that other machines can reach; None: they cannot."""
    if _is_loopback(settings.keyshop_host):
        return None
    if accounts:
        return (
            f"KEYSHOP_HOST={settings.keyshop_host} opens the demo accounts, whose password is public,"
            " to the network; `keyshop users erase` removes them."
        )
    return (
        f"There are no demo accounts while KEYSHOP_HOST={settings.keyshop_host} opens the shop to the"
        " network, because their password is public; `keyshop users create` creates other accounts."
    )


async def list_demo_accounts(shop: Shop) -> list[DemoAccount]:
    """Return the demo accounts that the shop has."""
    async with shop.db.read() as reader:
        entries = await list_entries(reader, _SUBJECT)
        records = await reader.fetch(_LIST_EMAILS, [account.email for account in DEMO_ACCOUNTS])
    found = {record["email"] for record in records} if entries else set()
    return [account for account in DEMO_ACCOUNTS if account.email in found]


async def _may_create(shop: Shop) -> bool:
    settings = shop.settings
    if settings.keyshop_env is Environment.PRODUCTION or await is_attached(shop):
        return False
    if not _is_loopback(settings.keyshop_host):
        return False
    async with shop.db.read() as reader:
        if await list_entries(reader, _SUBJECT):
            return False
        is_embedded = settings.database_url is None
        # A laptop may be pointed at the database of a shop that sells.
        return is_embedded or not await reader.fetchval(_HAS_USERS)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _create(
    tx: Transaction, account: DemoAccount, password_hash: str, *, now: datetime
) -> None:
    email = parse_new_email(account.email)
    # A customer may have registered with the address while there were no demo accounts.
    if await find_account(tx, email) is not None:
        return
    user = await add_account(
        tx,
        email=email,
        password_hash=password_hash,
        nickname=account.nickname,
        role=account.role,
        verified=True,
        now=now,
    )
    if user is None:
        raise EmailTaken
    if account.balance:
        await ledger.credit(tx, user_id=user.id, amount=account.balance, payment=_CREDIT, now=now)


async def _create_promo(tx: Transaction, *, now: datetime) -> None:
    promo = NewPromo(
        code=_PROMO_CODE,
        percent=_PROMO_PERCENT,
        max_uses=None,
        valid_from=now,
        valid_until=now + _PROMO_LIFE,
    )
    with suppress(PromoExists):
        await create_promo(tx, promo, by=_ACTOR, now=now)
