"""
Codes and links that are mailed. A person who has one reads the mails of that address.

Both are computed from the id of a stored row and a secret of the shop. So neither the database nor
the job queue holds them, and a mail that is sent again contains the same code and link.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from keyshop.accounts.email_tokens import queries
from keyshop.accounts.rules import RESET_LIFETIME, VERIFICATION_LIFETIME
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret

_CODE_COUNT: Final = 1_000_000  # codes have six digits
_BATCH_SIZE: Final = 10_000  # rows


class Purpose(StrEnum):
    """What an email token may be used for; stored."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - a name


LIFETIMES: Final[dict[Purpose, timedelta]] = {
    Purpose.VERIFY_EMAIL: VERIFICATION_LIFETIME,
    Purpose.RESET_PASSWORD: RESET_LIFETIME,
}


class EmailTokenKeys(Struct, frozen=True):
    """The secrets that codes and links are computed with."""

    current: Secret
    previous: Secret | None = None
    """Accepted as well, for mails sent before `current` replaced it."""

    def code(self, email_token_id: str) -> str:
        """Return the six digits to mail."""
        return _code(self.current, email_token_id)

    def link_token(self, purpose: Purpose, email_token_id: str) -> str:
        """Return the token for the link to mail."""
        return f"{email_token_id}.{_signature(self.current, purpose, email_token_id)}"

    def is_code(self, email_token_id: str, code: str) -> bool:
        return _matches_any(code, (_code(secret, email_token_id) for secret in self._accepted()))

    def find_email_token_id(self, purpose: Purpose, link_token: str) -> str | None:
        """Return the id in the token of a mailed link; None: the signature is wrong."""
        email_token_id, _, signature = link_token.partition(".")
        valid = (_signature(secret, purpose, email_token_id) for secret in self._accepted())
        return email_token_id if _matches_any(signature, valid) else None

    def _accepted(self) -> Iterator[Secret]:
        yield self.current
        if self.previous is not None:
            yield self.previous


async def issue_email_token(
    tx: Transaction, purpose: Purpose, *, user_id: str, now: datetime
) -> str:
    """
    Store an email token for the user's current address, and return its id.

    For an unknown user it returns an id as well and stores nothing, in the same time.
    """
    email_token_id = new_id()
    await queries.add_email_token(
        tx, email_token_id, purpose, user_id=user_id, now=now, expires_at=now + LIFETIMES[purpose]
    )
    return email_token_id


async def delete_expired_email_tokens(tx: Transaction, before: datetime) -> int:
    """Delete up to 10,000 email tokens that expired before then; return how many."""
    return await queries.delete_expired(tx, before=before, limit=_BATCH_SIZE)


def _matches_any(given: str, valid: Iterator[str]) -> bool:
    # As bytes: compare_digest refuses text beyond ASCII.
    encoded = given.encode(errors="surrogatepass")
    return any(hmac.compare_digest(encoded, each.encode()) for each in valid)


def _code(secret: Secret, email_token_id: str) -> str:
    number = int.from_bytes(_digest(secret, "code", email_token_id)[:16])
    return f"{number % _CODE_COUNT:06}"


def _signature(secret: Secret, purpose: Purpose, email_token_id: str) -> str:
    digest = _digest(secret, purpose, email_token_id)
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _digest(secret: Secret, use: str, email_token_id: str) -> bytes:
    # A derived key: the key that signs access tokens must not sign text that a visitor chooses.
    key = hmac.digest(secret.reveal().encode(), b"keyshop account proofs", "sha256")
    return hmac.digest(key, f"{use}:{email_token_id}".encode(errors="surrogatepass"), "sha256")
