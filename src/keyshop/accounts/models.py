"""Accounts, and what shows that somebody is signed in."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from keyshop.accounts.addresses import NormalAddress
from keyshop.kit.secrets import Secret


class Role(StrEnum):
    """What an account may do."""

    USER = "USER"  # buys
    ADMIN = "ADMIN"  # runs the shop


class Account(Struct, frozen=True, kw_only=True):
    """A customer, or somebody who runs the shop."""

    id: str
    email: NormalAddress
    """As it is stored, and so as it is looked for."""

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


class ClientInfo(Struct, frozen=True, kw_only=True):
    """From where somebody asks."""

    address: str
    """Of the client, behind the proxies that are trusted."""

    user_agent: str | None = None
    session_id: str | None = None
    """The guest's cookie as it was sent, whatever it is."""


class Registration(Struct, frozen=True, kw_only=True):
    """What somebody who wants an account has filled in; prints without the password."""

    email: str
    password: str
    nickname: str | None = None
    first_name: str | None = None
    last_name: str | None = None

    def __repr__(self) -> str:
        return "Registration(...)"


class NewUser(Struct, frozen=True, kw_only=True):
    """The account that an operator asks for; prints without the password."""

    email: str
    password: str
    role: Role = Role.USER

    def __repr__(self) -> str:
        return "NewUser(...)"


class Credentials(Struct, frozen=True, kw_only=True):
    """What somebody signs in with; prints without the password."""

    email: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class ProfileChanges(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a customer changes of the profile; what is None stays as it is."""

    nickname: str | None = None
    first_name: str | None = None
    """Empty: none any more."""

    last_name: str | None = None
    password: str | None = None
    """Never changed here: one that is sent refuses the whole change."""

    def __repr__(self) -> str:
        return "ProfileChanges(...)"


class ProfileStatistics(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a profile counts; of orders, the completed ones."""

    games_purchased: int
    total_saved: Decimal
    days_since_registration: int
    empty_fields_count: int


class Profile(Struct, frozen=True, kw_only=True, rename="camel"):
    """A customer's own page."""

    id: str
    email: str
    nickname: str
    first_name: str | UnsetType = UNSET
    """Absent when there is none, as the next two."""

    last_name: str | UnsetType = UNSET
    avatar: str | UnsetType = UNSET
    balance: Decimal
    role: Role
    email_verified: bool
    created_at: str
    stats: ProfileStatistics


class Statistics(Struct, frozen=True, kw_only=True, rename="camel"):
    """A customer's figures; of orders, the completed ones."""

    total_games: int
    total_saved: Decimal
    days_since_registration: int
    total_orders: int
    balance: Decimal


class Balance(Struct, frozen=True, kw_only=True):
    """What a customer has to spend."""

    balance: Decimal
    currency: Literal["EUR"] = "EUR"
