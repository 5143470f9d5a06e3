"""Accounts, and what shows that somebody is signed in."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from asyncpg import Record
from msgspec import Struct

from keyshop.kit.secrets import Secret

ACCOUNT_COLUMNS: Final = """
    u.id, u.email, u.nickname, u."firstName" AS first_name, u."lastName" AS last_name, u.avatar,
    u.role, u."emailVerified" AS email_verified, u."passwordHash" AS password_hash,
    u."createdAt" AS created_at
"""
"""What `account_of` needs of `users AS u`."""


class Role(StrEnum):
    """What an account may do."""

    USER = "USER"  # buys
    ADMIN = "ADMIN"  # runs the shop


class Account(Struct, frozen=True, kw_only=True):
    """A customer, or somebody who runs the shop."""

    id: str
    email: str
    nickname: str
    first_name: str | None
    last_name: str | None
    avatar: str | None
    role: Role
    email_verified: bool
    password_hash: Secret
    created_at: datetime


class TokenPair(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a browser keeps of a sign-in; prints without the tokens."""

    token: str
    """The access token, for `Authorization: Bearer`."""

    refresh_token: str
    expires_in: int
    """Seconds until the access token expires."""

    def __repr__(self) -> str:
        return f"TokenPair(expires_in={self.expires_in})"


class SignedIn(Struct, frozen=True, kw_only=True):
    """Who asks, as an access token that is still good says."""

    user_id: str
    email: str
    """As it was when the token was given out."""

    role: Role
    """As it is now."""

    family_id: str
    """The sign-in, and so the device, that the token is from."""


def account_of(record: Record) -> Account:
    """Return the account of a row of `ACCOUNT_COLUMNS`; other columns are left out."""
    fields = {name: record[name] for name in Account.__struct_fields__}
    fields["role"] = Role(fields["role"])
    fields["password_hash"] = Secret(fields["password_hash"])
    return Account(**fields)
