"""What the functions of accounts work with."""

from msgspec import Struct

from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.sessions.tokens import Tokens


class AccountServices(Struct, frozen=True, kw_only=True):
    """Made once, when a process starts."""

    tokens: Tokens
    passwords: PasswordPool
    email_token_keys: EmailTokenKeys
