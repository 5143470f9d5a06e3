"""Services of accounts and settings of baskets for tests: own secrets, hashes at the lowest cost."""

from datetime import timedelta
from functools import cache

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens.tokens import EmailTokenKeys
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.sessions.tokens import Tokens, TokenSecrets
from keyshop.baskets.settings import BasketSettings
from keyshop.kit.secrets import Secret

ACCESS_SECRET = "access-" + "a" * 32
REFRESH_SECRET = "refresh-" + "r" * 32

BASKETS = BasketSettings(session_secret=Secret(ACCESS_SECRET))


@cache
def account_services() -> AccountServices:
    """Return the account services that all shops of a test process share."""
    secrets = TokenSecrets(access=Secret(ACCESS_SECRET), refresh=Secret(REFRESH_SECRET))
    return AccountServices(
        tokens=Tokens(
            secrets, access_lifetime=timedelta(hours=1), refresh_lifetime=timedelta(days=30)
        ),
        passwords=PasswordPool(threads=1, cost=4),
        email_token_keys=EmailTokenKeys(secrets.access),
    )
