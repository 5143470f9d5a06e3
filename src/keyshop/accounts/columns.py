"""SQL fragments that several statements about `users AS u` share."""

from typing import Final

from asyncpg import Record

from keyshop.accounts.models import Account
from keyshop.accounts.rules import ERASED_DOMAIN
from keyshop.kit.secrets import Secret

NICKNAME: Final = "coalesce(u.nickname, 'Newbie Guy') AS nickname"
"""The column may be NULL; callers rely on a name."""

NOT_ERASED: Final = f"email NOT LIKE '%{ERASED_DOMAIN}'"
"""Keeps a transaction that began before an erasure from writing personal data back."""

ACCOUNT_COLUMNS: Final = f"""
    u.id, u.email, {NICKNAME}, u."firstName" AS first_name, u."lastName" AS last_name, u.avatar,
    u.role, u."emailVerified" AS email_verified, u."passwordHash" AS password_hash,
    u."createdAt" AS created_at
"""
"""The columns that `to_account` reads."""


def to_account(record: Record) -> Account:
    """Return the account of a row of `ACCOUNT_COLUMNS`; other columns are ignored."""
    fields = {name: record[name] for name in Account.__struct_fields__}
    fields["password_hash"] = Secret(fields["password_hash"])
    return Account(**fields)
