"""All SQL of accounts, except for sessions, lockout, email tokens and the export."""
# ruff: noqa: S608 - statements are built from constants alone

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.accounts.addresses import NormalAddress, spellings
from keyshop.accounts.columns import ACCOUNT_COLUMNS, NICKNAME, NOT_ERASED, to_account
from keyshop.accounts.models import Account, Role
from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id

_ADD: Final = f"""
    INSERT INTO users AS u (id, email, "passwordHash", nickname, "firstName", "lastName", role,
        "emailVerified", "createdAt", "updatedAt")
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::"Role", $8, $9, $9)
    ON CONFLICT (email) DO NOTHING
    RETURNING {ACCOUNT_COLUMNS}
"""

_FIND: Final = f"SELECT {ACCOUNT_COLUMNS} FROM users AS u WHERE u.email = $1"

_FIND_BY_SPELLINGS: Final = f"""
    SELECT {ACCOUNT_COLUMNS} FROM users AS u WHERE u.email = ANY($1)
    ORDER BY array_position($1::text[], u.email) LIMIT 1
"""

_FIND_BY_ID: Final = f"SELECT {ACCOUNT_COLUMNS} FROM users AS u WHERE u.id = $1"

# Does not block new rows that refer to the account, such as lines in the cart of another device.
_LOCK: Final = f"{_FIND_BY_ID} AND {NOT_ERASED} FOR NO KEY UPDATE"

# Blocks new rows that refer to the account as well.
_LOCK_WITH_REFERENCES: Final = "SELECT FROM users WHERE id = $1 FOR UPDATE"

_SET_PASSWORD: Final = f"""
    UPDATE users AS u SET "passwordHash" = $2, "updatedAt" = $3 WHERE id = $1
    RETURNING {ACCOUNT_COLUMNS}
"""

_SET_ROLE: Final = """
    UPDATE users SET role = $2::text::"Role", "updatedAt" = $3 WHERE id = $1
"""

_SET_PROFILE: Final = """
    UPDATE users SET nickname = coalesce($2, nickname), "firstName" = $3, "lastName" = $4,
        "updatedAt" = $5
    WHERE id = $1
"""

_MARK_EMAIL_VERIFIED: Final = """
    UPDATE users SET "emailVerified" = true, "updatedAt" = $2 WHERE id = $1 AND NOT "emailVerified"
"""

# A numeric column may hold NaN, which is above every number, and infinity. JSON has no word for them.
_SUMMARY: Final = f"""
    SELECT u.id, u.email, {NICKNAME}, u."firstName" AS first_name, u."lastName" AS last_name,
        CASE WHEN abs(u.balance::numeric) < 'Infinity' THEN u.balance::numeric ELSE 0 END AS balance,
        u.avatar, u.role, u."emailVerified" AS email_verified, u."createdAt" AS created_at,
        totals.orders, totals.saved, totals.games
    FROM users AS u, LATERAL (
        SELECT count(*) AS orders,
            coalesce(sum(o.discount) FILTER (WHERE abs(o.discount::numeric) < 'Infinity'), 0) AS saved,
            coalesce(sum(
                (SELECT sum(quantity) FROM order_items WHERE "orderId" = o.id)
                - (SELECT count(*) FROM keyshop.order_units
                    WHERE order_id = o.id AND state = 'REFUNDED')
            ), 0)::bigint AS games
        FROM orders AS o WHERE o."userId" = u.id AND o.status = 'COMPLETED'
    ) AS totals
    WHERE u.id = $1
"""

_SIGN_INS: Final = """
    SELECT "createdAt" AS happened_at, success, "ipAddress" AS address, "userAgent" AS user_agent
    FROM login_history WHERE "userId" = $1 ORDER BY "createdAt" DESC, id LIMIT $2
"""

# The row stays, because orders refer to it.
_REPLACE_PERSONAL_DATA: Final = """
    UPDATE users SET email = $2, "passwordHash" = $3, nickname = $4, "firstName" = NULL,
        "lastName" = NULL, avatar = NULL, role = 'USER', "emailVerified" = false, "updatedAt" = $5
    WHERE id = $1
"""
_DELETE_SIGN_INS: Final = 'DELETE FROM login_history WHERE "userId" = $1'
_DELETE_CART: Final = 'DELETE FROM cart_items WHERE "userId" = $1'
_DELETE_WISHLIST: Final = 'DELETE FROM wishlist WHERE "userId" = $1'


class CustomerSummary(Struct, frozen=True, kw_only=True):
    """A customer with the totals of the completed orders."""

    id: str
    email: str
    nickname: str
    first_name: str | None
    last_name: str | None
    avatar: str | None
    balance: Decimal
    """0 if what is stored is not a number; so are such discounts."""

    role: str
    email_verified: bool
    created_at: datetime
    orders: int
    saved: Decimal
    """The sum of the discounts."""

    games: int
    """Keys, not titles; without those that were refunded."""


class SignInAttempt(Struct, frozen=True, kw_only=True):
    happened_at: datetime
    success: bool
    address: str | None
    user_agent: str | None


async def add_account(
    tx: Transaction,
    *,
    email: NormalAddress,
    password_hash: str,
    nickname: str,
    first_name: str | None = None,
    last_name: str | None = None,
    role: Role = Role.USER,
    verified: bool = False,
    now: datetime,
) -> Account | None:
    """Store an account and return it; None: the address is taken."""
    record = await tx.fetchrow(
        _ADD,
        new_id(),
        email,
        password_hash,
        nickname,
        first_name,
        last_name,
        role,
        verified,
        now,
    )
    return None if record is None else to_account(record)


async def find_account(reader: Reader, email: NormalAddress) -> Account | None:
    """Return the account that is stored with exactly this address."""
    record = await reader.fetchrow(_FIND, email)
    return None if record is None else to_account(record)


async def find_account_by_spellings(reader: Reader, email: str) -> Account | None:
    """Return the account stored with one of the address's `spellings`, the first that has one."""
    record = await reader.fetchrow(_FIND_BY_SPELLINGS, spellings(email))
    return None if record is None else to_account(record)


async def find_account_by_id(reader: Reader, user_id: str) -> Account | None:
    record = await reader.fetchrow(_FIND_BY_ID, user_id)
    return None if record is None else to_account(record)


async def lock_account(tx: Transaction, user_id: str) -> Account | None:
    """Return the account, locked until the transaction ends; None: it is unknown or erased."""
    record = await tx.fetchrow(_LOCK, user_id)
    return None if record is None else to_account(record)


async def lock_with_references(tx: Transaction, user_id: str) -> None:
    """Lock the account against changes, and against new rows that refer to it."""
    await tx.fetch(_LOCK_WITH_REFERENCES, user_id)


async def set_password(
    tx: Transaction, user_id: str, password_hash: str, *, now: datetime
) -> Account | None:
    """Store a new hash, and return the account with it."""
    record = await tx.fetchrow(_SET_PASSWORD, user_id, password_hash, now)
    return None if record is None else to_account(record)


async def set_role(tx: Transaction, user_id: str, role: Role, *, now: datetime) -> None:
    await tx.execute(_SET_ROLE, user_id, role, now)


async def set_profile(
    tx: Transaction,
    user_id: str,
    *,
    nickname: str | None,
    first_name: str | None,
    last_name: str | None,
    now: datetime,
) -> None:
    """Store the names; a nickname that is None stays as it is."""
    await tx.execute(_SET_PROFILE, user_id, nickname, first_name, last_name, now)


async def mark_email_verified(tx: Transaction, user_id: str, *, now: datetime) -> None:
    await tx.execute(_MARK_EMAIL_VERIFIED, user_id, now)


async def find_customer_summary(reader: Reader, user_id: str) -> CustomerSummary | None:
    record = await reader.fetchrow(_SUMMARY, user_id)
    return None if record is None else row(CustomerSummary, record)


async def list_sign_ins(reader: Reader, user_id: str, *, limit: int = 100) -> list[SignInAttempt]:
    """Return the latest attempts to sign in to the account, the newest first."""
    return rows(SignInAttempt, await reader.fetch(_SIGN_INS, user_id, limit))


async def replace_personal_data(
    tx: Transaction, user_id: str, *, email: str, password_hash: str, nickname: str, now: datetime
) -> None:
    """Overwrite or delete all personal data of the account."""
    await tx.execute(_REPLACE_PERSONAL_DATA, user_id, email, password_hash, nickname, now)
    await tx.execute(_DELETE_SIGN_INS, user_id)
    await tx.execute(_DELETE_CART, user_id)
    await tx.execute(_DELETE_WISHLIST, user_id)
