"""What accounts work with, and what a sign-in gives."""

from msgspec import Struct

from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.models import Account, TokenPair
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.sessions.tokens import Tokens
from keyshop.baskets.models import Migration


class AccountServices(Struct, frozen=True, kw_only=True):
    """Made once, when a process starts."""

    tokens: Tokens
    passwords: PasswordPool
    email_token_keys: EmailTokenKeys


class SignInResult(Struct, frozen=True, kw_only=True):
    """A customer has just registered or signed in."""

    account: Account
    tokens: TokenPair
    migration: Migration | None
    """How the guest's baskets were moved; None: there were none, or they stay with the guest."""
