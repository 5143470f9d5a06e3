"""Decisions about accounts, without any I/O."""

import re
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from keyshop.accounts.errors import AccountInvalid
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
"""Only for the account's owner, whom strangers must not keep from the code by asking for resets."""

LIMITS_PER_ADDRESS: Final = (
    SIGN_INS_PER_ADDRESS,
    RESET_MAILS_PER_ADDRESS,
    VERIFICATION_MAILS_PER_ADDRESS,
)
MAILS_PER_CLIENT: Final = Limit("mails_per_client", burst=20, per=timedelta(minutes=1))
EMAIL_TOKENS_PER_CLIENT: Final = Limit(
    "email_tokens_per_client", burst=30, per=timedelta(seconds=10)
)

MAX_FAILURES: Final = 5
"""So many wrong passwords in a row lock an address."""

INITIAL_LOCK: Final = timedelta(minutes=1)
MAX_LOCK: Final = timedelta(minutes=15)
FAILURE_TTL: Final = timedelta(hours=24)
"""A wrong password after so long begins a new row."""

KNOWN_CLIENT_TTL: Final = timedelta(days=90)
"""For so long a client that has signed in is no stranger to the account."""

VERIFICATION_LIFETIME: Final = timedelta(minutes=15)
MAX_CODE_ATTEMPTS: Final = 5
RESET_LIFETIME: Final = timedelta(minutes=30)

ERASED_DOMAIN: Final = "@erased.invalid"
"""How the addresses of erased accounts end, which have no mailbox."""

DEFAULT_NICKNAME: Final = "Newbie Guy"
_NICKNAME_LENGTHS: Final = (2, 50)
_MAX_NAME: Final = 100
_MIN_PASSWORD: Final = 8
_MAX_PASSWORD: Final = 72  # bytes; bcrypt looks at no more
_MAX_USER_AGENT: Final = 512

# What PostgreSQL cannot store, and what would begin a new line in the head of a mail.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

_DAY: Final = timedelta(days=1)
_MOMENT: Final = timedelta(milliseconds=1)


def find_password_problem(password: str) -> str | None:
    """
    Return how the password must be, when it is not like that: "must be at least ...".

    Asked when a password is set and never when it is used: older rules let others pass.
    """
    if _UNSTORABLE.search(password):
        return "must not contain characters that cannot be typed."
    if len(password) < _MIN_PASSWORD:
        return f"must be at least {_MIN_PASSWORD} characters"
    if len(password.encode()) > _MAX_PASSWORD:
        return f"must be at most {_MAX_PASSWORD} bytes long (letters with accents count twice)."
    if not all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
        return "must contain a lower-case letter, an upper-case letter and a digit."
    return None


def is_hashable(password: str) -> bool:
    """Test whether all of the password counts in a hash; older rules let longer ones pass."""
    return _UNSTORABLE.search(password) is None and len(password.encode()) <= _MAX_PASSWORD


def check_password(password: str) -> None:
    """
    See that the password may be set.

    Raises:
        AccountInvalid: it may not.
    """
    if unfit := find_password_problem(password):
        raise AccountInvalid(f"password {unfit}")


def parse_nickname(nickname: str) -> str:
    """
    Return the nickname without blanks around it.

    Raises:
        AccountInvalid: it is too short or too long, or cannot be shown.
    """
    least, most = _NICKNAME_LENGTHS
    nickname = _printable(nickname, "nickname")
    if not least <= len(nickname) <= most:
        raise AccountInvalid(f"nickname must have {least} to {most} characters.")
    return nickname


def parse_name(name: str, field: str) -> str | None:
    """
    Return the first or last name without blanks around it; None for an empty one.

    Raises:
        AccountInvalid: it is too long, or cannot be shown.
    """
    name = _printable(name, field)
    if len(name) > _MAX_NAME:
        raise AccountInvalid(f"{field} must have at most {_MAX_NAME} characters.")
    return name or None


def _printable(text: str, field: str) -> str:
    if _UNPRINTABLE.search(text):
        raise AccountInvalid(f"{field} must not contain control characters.")
    return text.strip()


def lock_duration(failures: int) -> timedelta | None:
    """Return for how long so many wrong passwords in a row lock an address; None: not at all."""
    if failures < MAX_FAILURES:
        return None
    # Beyond the fourth doubling it is the longest anyway; a shift by thousands would overflow.
    doublings = min(failures - MAX_FAILURES, 4)
    return min(INITIAL_LOCK * (1 << doublings), MAX_LOCK)


def client_key(address: str) -> str:
    """
    Return what a client's address is counted by: IPv6 by the network that one household has.

    A text that is no address counts as itself.
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


def to_storable(text: str | None, *, max_length: int = _MAX_USER_AGENT) -> str | None:
    """Return the text as far as it can be stored, cut to `max_length` characters."""
    return None if text is None else _UNSTORABLE.sub("", text)[:max_length]


def days_since(registered: datetime, *, now: datetime) -> int:
    """Return the whole days since somebody registered; none for a date in the future."""
    return max((now - registered) // _DAY, 0)


def true_until(registered: datetime, *, now: datetime) -> datetime | None:
    """Return the last moment at which the days since then are as many as now; None: for ever."""
    days = max((now - registered) // _DAY, 0)
    try:
        return registered + (days + 1) * _DAY - _MOMENT
    except OverflowError:
        # PostgreSQL's infinity is the calendar's last day.
        return None


def empty_fields(*fields: str | None) -> int:
    """Return how many of the fields nobody has filled in."""
    return sum(not field for field in fields)
