"""
Codes and links that are mailed: who has one reads the mails of that address.

Both are computed from the id of a stored row and a secret of the shop's, so that neither the
database nor the queue of mails holds them, and a mail that is sent again says the same.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.rules import RESET_LIFETIME, VERIFICATION_LIFETIME
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret

_CODES: Final = 1_000_000
_AT_ONCE: Final = 10_000  # rows that one transaction forgets


class Purpose(StrEnum):
    """What a proof is good for; stored."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - a name


LIVES: Final[dict[Purpose, timedelta]] = {
    Purpose.VERIFY_EMAIL: VERIFICATION_LIFETIME,
    Purpose.RESET_PASSWORD: RESET_LIFETIME,
}


class EmailTokenKeys(Struct, frozen=True):
    """The secrets that proofs are computed with: the present one, and the one before it."""

    current: Secret
    previous: Secret | None = None

    def code(self, email_token_id: str) -> str:
        """Return the six digits that are mailed for this proof."""
        return _code(self.current, email_token_id)

    def link_token(self, purpose: Purpose, email_token_id: str) -> str:
        """Return what stands in the link that is mailed for this proof."""
        return f"{email_token_id}.{_signature(self.current, purpose, email_token_id)}"

    def is_code(self, email_token_id: str, code: str) -> bool:
        """Test whether this code was mailed for the proof."""
        return _is_any(code, (_code(secret, email_token_id) for secret in self._accepted()))

    def find_email_token_id(self, purpose: Purpose, link_token: str) -> str | None:
        """Return the id of the proof of a link that was mailed; None: it never was."""
        email_token_id, _, signature = link_token.partition(".")
        mailed = (_signature(secret, purpose, email_token_id) for secret in self._accepted())
        return email_token_id if _is_any(signature, mailed) else None

    def _accepted(self) -> Iterator[Secret]:
        yield self.current
        if self.previous is not None:
            yield self.previous


async def issue_email_token(
    tx: Transaction, purpose: Purpose, *, user_id: str, now: datetime
) -> str:
    """
    Store that a proof is mailed to the user's present address, and return its id.

    Of a user who does not exist nothing is stored, in the same time.
    """
    email_token_id = new_id()
    await email_token_queries.add_email_token(
        tx, email_token_id, purpose, user_id=user_id, now=now, expires_at=now + LIVES[purpose]
    )
    return email_token_id


async def delete_expired_email_tokens(tx: Transaction, before: datetime) -> int:
    """Delete proofs that were over before then, up to 10,000; return how many there were."""
    return await email_token_queries.delete_expired(tx, before=before, limit=_AT_ONCE)


def _is_any(shown: str, mailed: Iterator[str]) -> bool:
    # In bytes: text beyond ASCII cannot be compared in constant time.
    given = shown.encode(errors="surrogatepass")
    return any(hmac.compare_digest(given, each.encode()) for each in mailed)


def _code(secret: Secret, email_token_id: str) -> str:
    number = int.from_bytes(_digest(secret, "code", email_token_id)[:16])
    return f"{number % _CODES:06}"


def _signature(secret: Secret, purpose: Purpose, email_token_id: str) -> str:
    return urlsafe_b64encode(_digest(secret, purpose, email_token_id)).decode().rstrip("=")


def _digest(secret: Secret, use: str, email_token_id: str) -> bytes:
    # A key of its own: what signs tokens must never sign what a visitor can choose.
    key = hmac.digest(secret.reveal().encode(), b"keyshop account proofs", "sha256")
    return hmac.digest(key, f"{use}:{email_token_id}".encode(errors="surrogatepass"), "sha256")
