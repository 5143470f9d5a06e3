"""The accounts of a shop that is only tried out."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from keyshop.accounts.addresses import parse_new_email
from keyshop.accounts.create_user import create_user
from keyshop.accounts.models import Role
from keyshop.accounts.queries import find_account
from keyshop.assembly import Shop
from keyshop.entrypoints.cli.attached import is_attached
from keyshop.journal.queries import list_entries
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.settings import Environment, Settings

DEMO_PASSWORD: Final = "Passw0rd-demo"  # noqa: S105 - told to everybody who starts a shop


class DemoAccount(Struct, frozen=True, kw_only=True):
    """An account that everybody knows the password of."""

    email: str
    nickname: str
    description: str
    role: Role
    balance: Decimal = Decimal(0)


DEMO_ACCOUNTS: Final = (
    DemoAccount(
        email="alice@example.com",
        nickname="Alice",
        description="a customer, with 100.00 EUR to begin with",
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
_LIST_FOUND: Final = "SELECT email FROM users WHERE email = ANY($1)"

# A balance is nothing but the sum of what is recorded.
_GIVE_CREDIT: Final = """
    WITH credited AS (
        UPDATE users SET balance = balance + $2, "updatedAt" = $4 WHERE id = $1 RETURNING id
    )
    INSERT INTO transactions
        (id, "userId", type, amount, method, status, description, "createdAt")
    SELECT $3, id, 'TOP_UP', $2, 'demo', 'COMPLETED', 'Credit to try the shop with', $4
    FROM credited
"""

_SUBJECT: Final = "shop"
_SUBJECT_ID: Final = "demo accounts"


async def make_demo_accounts(shop: Shop, *, now: datetime) -> None:
    """
    Make the demo accounts, once in a database's life: one that was erased stays away.

    Their password is public, so they go only into a database that keyshop made for trying out:
    the embedded one, or a given one without customers; never an attached one, or in production, or
    while others than this machine can reach the shop.
    """
    async with shop.db.hold_lock("demo accounts") as alone:
        if not alone or not await _may_make(shop):
            return
        hashed = await shop.accounts.passwords.hash(DEMO_PASSWORD)
        async with shop.db.transaction() as tx:
            for account in DEMO_ACCOUNTS:
                # Somebody may have registered with it while there was no demo data.
                if await find_account(tx, parse_new_email(account.email)) is None:
                    await _make(tx, account, hashed, now=now)
            await record(
                tx,
                actor="keyshop up",
                action="demo.accounts",
                subject=_SUBJECT,
                subject_id=_SUBJECT_ID,
                details={"accounts": len(DEMO_ACCOUNTS)},
                now=now,
            )


def warn_of_network(settings: Settings, made: Collection[DemoAccount]) -> str | None:
    """Return what to say of the demo accounts where a network reaches the shop; None: nothing."""
    if _is_for_this_machine_alone(settings.keyshop_host):
        return None
    if made:
        return (
            f"KEYSHOP_HOST={settings.keyshop_host} opens the demo accounts, whose password everybody"
            " knows, to the network; `keyshop users erase` removes them."
        )
    return (
        f"There are no demo accounts while KEYSHOP_HOST={settings.keyshop_host} opens the shop to the"
        " network, since everybody knows their password; `keyshop users create` makes others."
    )


async def list_demo_accounts(shop: Shop) -> list[DemoAccount]:
    """Return those demo accounts that are in the shop."""
    async with shop.db.read() as reader:
        made = await list_entries(reader, subject=_SUBJECT, subject_id=_SUBJECT_ID)
        records = await reader.fetch(_LIST_FOUND, [account.email for account in DEMO_ACCOUNTS])
    found = {record["email"] for record in records} if made else set()
    return [account for account in DEMO_ACCOUNTS if account.email in found]


async def _may_make(shop: Shop) -> bool:
    settings = shop.settings
    if settings.keyshop_env is Environment.PRODUCTION or await is_attached(shop):
        return False
    if not _is_for_this_machine_alone(settings.keyshop_host):
        return False
    async with shop.db.read() as reader:
        if await list_entries(reader, subject=_SUBJECT, subject_id=_SUBJECT_ID):
            return False
        is_ours_alone = settings.database_url is None
        # Somebody who points a laptop at a shop that sells must not open it to everybody.
        return is_ours_alone or not await reader.fetchval(_HAS_USERS)


def _is_for_this_machine_alone(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _make(tx: Transaction, account: DemoAccount, hashed: str, *, now: datetime) -> None:
    user = await create_user(
        tx,
        email=account.email,
        password_hash=hashed,
        role=account.role,
        nickname=account.nickname,
        now=now,
    )
    if account.balance:
        await tx.execute(_GIVE_CREDIT, user.id, account.balance, new_id(), now)
