"""Accounts, and what a request or an answer about one holds."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from keyshop.accounts.addresses import NormalAddress
from keyshop.baskets.models import Migration
from keyshop.kit.secrets import Secret


class Role(StrEnum):
    """What an account may do."""

    USER = "USER"  # buys
    ADMIN = "ADMIN"  # runs the shop


class Account(Struct, frozen=True, kw_only=True):
    """A customer or an administrator."""

    id: str
    email: NormalAddress
    """As it is stored."""

    nickname: str
    first_name: str | None
    last_name: str | None
    avatar: str | None
    role: str
    """The stored label. One that is not a `Role` gives the rights of a customer, and is shown as it is."""

    email_verified: bool
    password_hash: Secret
    created_at: datetime


class TokenPair(Struct, frozen=True, kw_only=True, rename="camel"):
    """The tokens of one sign-in, for the browser; prints without them."""

    token: str
    """The access token, for `Authorization: Bearer`."""

    refresh_token: str
    expires_in: int
    """Seconds until the access token expires."""

    def __repr__(self) -> str:
        return f"TokenPair(expires_in={self.expires_in})"


class SignedIn(Struct, frozen=True, kw_only=True):
    """The account that sent a valid access token."""

    user_id: str
    email: str
    """As it was when the token was issued."""

    role: str
    """As it is now."""

    family_id: str
    """The sign-in, and so the device, of the token."""


class ClientInfo(Struct, frozen=True, kw_only=True):
    """The client that sent a request."""

    address: str
    """Its IP address, behind trusted proxies."""

    user_agent: str | None = None
    session_id: str | None = None
    """The guest's session cookie, unchecked."""


class Registration(Struct, frozen=True, kw_only=True):
    """The registration form; prints without the password."""

    email: str
    password: str
    nickname: str | None = None
    first_name: str | None = None
    last_name: str | None = None

    def __repr__(self) -> str:
        return "Registration(...)"


class NewUser(Struct, frozen=True, kw_only=True):
    """The account that an operator creates; prints without the password."""

    email: str
    password: str
    role: Role = Role.USER

    def __repr__(self) -> str:
        return "NewUser(...)"


class Credentials(Struct, frozen=True, kw_only=True):
    """The sign-in form; prints without the password."""

    email: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class SignInResult(Struct, frozen=True, kw_only=True):
    """A customer has just registered or signed in."""

    account: Account
    tokens: TokenPair
    migration: Migration | None
    """How the guest's baskets were moved; None: there were none, or they stay with the guest."""


class ProfileChanges(Struct, frozen=True, kw_only=True, rename="camel"):
    """Changes to a profile; a field that is None stays as it is."""

    nickname: str | None = None
    first_name: str | None = None
    """Empty: remove it."""

    last_name: str | None = None
    password: str | None = None
    """Never changed here; the whole change is refused if it is set."""

    def __repr__(self) -> str:
        return "ProfileChanges(...)"


class ProfileStatistics(Struct, frozen=True, kw_only=True, rename="camel"):
    """Totals of the completed orders, and two counts about the profile."""

    games_purchased: int
    total_saved: Decimal
    days_since_registration: int
    empty_fields_count: int


class Profile(Struct, frozen=True, kw_only=True, rename="camel"):
    """The customer's profile page."""

    id: str
    email: str
    nickname: str
    first_name: str | UnsetType = UNSET
    """Absent when there is none; so are the next two."""

    last_name: str | UnsetType = UNSET
    avatar: str | UnsetType = UNSET
    balance: Decimal
    role: str
    email_verified: bool
    created_at: str
    stats: ProfileStatistics


class Statistics(Struct, frozen=True, kw_only=True, rename="camel"):
    """The customer's statistics page; of orders, only completed ones count."""

    total_games: int
    total_saved: Decimal
    days_since_registration: int
    total_orders: int
    balance: Decimal
