"""Decisions about accounts; no I/O."""

import re
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from keyshop.accounts.errors import AccountInvalid
from keyshop.accounts.passwords import MAX_PASSWORD_BYTES, composed
from keyshop.kit.limits import Limit

SIGN_INS_PER_ADDRESS: Final = Limit("sign_ins_per_address", burst=30, per=timedelta(seconds=30))
SIGN_INS_PER_CLIENT: Final = Limit("sign_ins_per_client", burst=60, per=timedelta(seconds=1))
PASSWORD_CHANGES_PER_DEVICE: Final = Limit(
    "password_changes_per_device", burst=10, per=timedelta(minutes=1)
)
REGISTRATIONS_PER_CLIENT: Final = Limit(
    "registrations_per_client", burst=100, per=timedelta(minutes=1)
)
RESET_MAILS_PER_ADDRESS: Final = Limit("reset_mails_per_address", burst=3, per=timedelta(hours=1))
VERIFICATION_MAILS_PER_ADDRESS: Final = Limit(
    "verification_mails_per_address", burst=3, per=timedelta(minutes=10)
)
"""Counted apart from resets: unknown clients can request those, and must not use up the owner's codes."""

LIMITS_PER_ADDRESS: Final = (
    SIGN_INS_PER_ADDRESS,
    RESET_MAILS_PER_ADDRESS,
    VERIFICATION_MAILS_PER_ADDRESS,
)
MAILS_PER_CLIENT: Final = Limit("mails_per_client", burst=20, per=timedelta(minutes=1))
EMAIL_TOKENS_PER_CLIENT: Final = Limit(
    "email_tokens_per_client", burst=30, per=timedelta(seconds=10)
)

KNOWN_CLIENT_TTL: Final = timedelta(days=90)
"""How long a client that has signed in is known to the account."""

VERIFICATION_LIFETIME: Final = timedelta(minutes=15)
MAX_CODE_ATTEMPTS: Final = 5
RESET_LIFETIME: Final = timedelta(minutes=30)

ERASED_DOMAIN: Final = "@erased.invalid"
"""The end of every erased account's address; no such mailbox exists."""

DEFAULT_NICKNAME: Final = "Newbie Guy"
_NICKNAME_LENGTHS: Final = (2, 50)
_MAX_NAME: Final = 100
_MIN_PASSWORD: Final = 8
_MAX_STORED_TEXT: Final = 512

# PostgreSQL cannot store some of these; others would start a new header line in a mail.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

_DAY: Final = timedelta(days=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


def find_password_problem(password: str) -> str | None:
    """
    Return the rule that the password breaks ("must be at least ..."); None: it breaks none.

    Only for new passwords: stored ones may be older than these rules. They are about the composed
    form, which is hashed, so that every keyboard gets the same answer.
    """
    password = composed(password)
    if _UNSTORABLE.search(password):
        return "must not contain invalid characters."
    if len(password) < _MIN_PASSWORD:
        # http-contract.md fixes this sentence, without a full stop.
        return f"must be at least {_MIN_PASSWORD} characters"
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return f"must be at most {MAX_PASSWORD_BYTES} bytes long (accented letters count twice)."
    if not all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
        return "must contain a lower-case letter, an upper-case letter and a digit."
    return None


def is_hashable(password: str) -> bool:
    """
    Test whether the hash that this form fits, and a new one, cover the whole password.

    Older rules allowed longer ones, of which the end was never checked.
    """
    return _UNSTORABLE.search(password) is None and all(
        len(form.encode()) <= MAX_PASSWORD_BYTES for form in (password, composed(password))
    )


def check_password(password: str) -> None:
    """
    Refuse a new password that breaks a rule.

    Raises:
        AccountInvalid: it breaks one; the message says which.
    """
    if problem := find_password_problem(password):
        raise AccountInvalid(f"password {problem}")


def parse_nickname(nickname: str) -> str:
    """
    Return the nickname without surrounding blanks.

    Raises:
        AccountInvalid: it is too short or too long, or has control characters.
    """
    shortest, longest = _NICKNAME_LENGTHS
    nickname = _parse_printable(nickname, "nickname")
    if not shortest <= len(nickname) <= longest:
        raise AccountInvalid(f"nickname must have {shortest} to {longest} characters.")
    return nickname


def parse_name(name: str, field: str) -> str | None:
    """
    Return the first or last name without surrounding blanks; None for an empty one.

    Raises:
        AccountInvalid: it is too long, or has control characters.
    """
    name = _parse_printable(name, field)
    if len(name) > _MAX_NAME:
        raise AccountInvalid(f"{field} must have at most {_MAX_NAME} characters.")
    return name or None


def _parse_printable(text: str, field: str) -> str:
    if _UNPRINTABLE.search(text):
        raise AccountInvalid(f"{field} must not contain control characters.")
    return text.strip()


def client_key(address: str) -> str:
    """
    Return the key of a client's limits: its IPv4 address, or the /64 network of an IPv6 address.

    One household has a whole /64. A text that is not an IP address is its own key.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip), 64), strict=False))


def to_storable(text: str | None, *, max_length: int = _MAX_STORED_TEXT) -> str | None:
    """Return the text without characters that PostgreSQL cannot store, cut to `max_length`."""
    return None if text is None else _UNSTORABLE.sub("", text)[:max_length]


def days_since(registered_at: datetime, *, now: datetime) -> int:
    """Return the whole days since then; 0 for a date in the future."""
    return max((now - registered_at) // _DAY, 0)


def days_valid_until(registered_at: datetime, *, now: datetime) -> datetime | None:
    """Return the last moment at which `days_since` gives the same number; None: it always does."""
    days = days_since(registered_at, now=now)
    try:
        return registered_at + (days + 1) * _DAY - _MILLISECOND
    except OverflowError:
        # PostgreSQL's infinity is read as the calendar's last day.
        return None


def count_empty(*fields: str | None) -> int:
    return sum(not field for field in fields)
