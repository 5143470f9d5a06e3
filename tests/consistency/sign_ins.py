"""Tokens of the watched customers: which was valid last, and which to try next."""

from datetime import timedelta
from typing import Final

from keyshop.accounts.addresses import NormalAddress
from keyshop.accounts.models import Account, Role
from keyshop.accounts.sessions.tokens import Tokens, TokenSecrets
from keyshop.kit.clock import utc_now
from keyshop.kit.secrets import Secret
from tests.consistency.contents import token_family_of, user_of
from tests.consistency.keys import FIRST_VERSION

_LIFE: Final = timedelta(days=1)
_AHEAD: Final = 6  # versions that are tried above the last valid one


class SignIns:
    """Signs tokens as the shop does, for sign-ins that may have ended or not begun yet."""

    def __init__(self, secret: str) -> None:
        secrets = TokenSecrets(access=Secret(secret), refresh=Secret(f"not {secret}"))
        self.tokens: Final = Tokens(secrets, access_lifetime=_LIFE, refresh_lifetime=_LIFE)
        self._good: dict[int, int] = {}
        self._tried: dict[int, int] = {}

    def sign(self, owner: int, version: int) -> str:
        """Return an access token of the sign-in of this version."""
        family = token_family_of(owner, version)
        return self.tokens.sign_access(_account(owner), family_id=family, now=utc_now())

    def guess(self, owner: int) -> int:
        """Return a version that may be valid: the last valid one, or one after it."""
        good = self._good.get(owner, FIRST_VERSION)
        tried = self._tried.get(owner, 0)
        self._tried[owner] = (tried + 1) % _AHEAD
        return good + tried

    def remember(self, owner: int, version: int) -> None:
        """Record that the sign-in of this version was valid."""
        self._good[owner] = version
        self._tried[owner] = 0


def _account(owner: int) -> Account:
    return Account(
        id=user_of(owner),
        email=NormalAddress(f"{user_of(owner)}@shop.example"),
        nickname="",
        first_name=None,
        last_name=None,
        avatar=None,
        role=Role.USER,
        email_verified=True,
        password_hash=Secret(""),
        created_at=utc_now(),
    )
