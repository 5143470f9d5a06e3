"""
E-mail addresses: which spellings are one mailbox, and which may become an account.

Nearly all accounts of the shop's earlier years are stored as `normalise` writes them, so its rules
are facts about those accounts and not about today's mail providers; `spellings` finds the others.
"""

import re
from typing import Final, NewType

from keyshop.accounts.errors import AccountInvalid

NormalAddress = NewType("NormalAddress", str)
"""The one spelling of an address; `normalise` must not meet it again, see there."""

_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
_ICLOUD: Final = frozenset({"icloud.com", "me.com"})
_YANDEX: Final = frozenset(
    {"yandex.ru", "yandex.ua", "yandex.kz", "yandex.com", "yandex.by", "ya.ru"}
)
_YAHOO: Final = frozenset(
    {
        "rocketmail.com",
        "ymail.com",
        *(f"yahoo.{end}" for end in ("ca", "co.uk", "com", "de", "fr", "in", "it")),
    }
)
_HOTMAIL_ENDS: Final = (
    "at be ca cl co.il co.nz co.th co.uk com com.ar com.au com.br com.gr com.mx com.pe com.tr "
    "com.vn cz de dk es fr hu id ie in it jp kr lv my ph pt sa sg sk"
)
_LIVE_ENDS: Final = "be co.uk com com.ar com.mx de es eu fr it nl"
_OUTLOOK_ENDS: Final = (
    "at be cl co.il co.nz co.th com com.ar com.au com.br com.gr com.pe com.tr com.vn cz de dk es "
    "fr hu id ie in it jp kr lv my ph pt sa sg sk"
)
_OUTLOOK: Final = frozenset(
    {
        "msn.com",
        "passport.com",
        *(f"hotmail.{end}" for end in _HOTMAIL_ENDS.split()),
        *(f"live.{end}" for end in _LIVE_ENDS.split()),
        *(f"outlook.{end}" for end in _OUTLOOK_ENDS.split()),
    }
)

# One dot between letters means nothing to Gmail; two in a row were kept as they are.
_SINGLE_DOT: Final = re.compile(r"(?<!\.)\.(?!\.)")

_BLANK: Final = " \t\r\n\f\v"
_MAX_LENGTH: Final = 254
_MAX_NAME: Final = 64

# Nothing that ends a line of a mail's head, and nothing that PostgreSQL cannot store.
_is_askable: Final = re.compile(
    r"[^\x00-\x1f\x7f\ud800-\udfff]+@[^\x00-\x20\x7f@\ud800-\udfff]+"
).fullmatch
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_is_name: Final = re.compile(rf"{_ATOM}(\.{_ATOM})*").fullmatch
_is_domain: Final = re.compile(
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"(xn--[A-Za-z0-9-]{1,57}[A-Za-z0-9]|[A-Za-z]{2,63})"
).fullmatch


def normalise(address: str) -> NormalAddress:
    """
    Return the one spelling under which an account with this address is stored.

    Any text has one; what is no address has one that no account has. Called once, where an address
    comes in: of a Yahoo address, only the part after the last hyphen is a sub-address, so another
    call would take off the next one, and find somebody else.
    """
    name, _, domain = address.strip(_BLANK).rpartition("@")
    domain = domain.lower()
    if domain in _GMAIL:
        name, domain = _SINGLE_DOT.sub("", name.partition("+")[0]), "gmail.com"
    elif domain in _ICLOUD or domain in _OUTLOOK:
        name = name.partition("+")[0]
    elif domain in _YAHOO:
        name = name.rpartition("-")[0] if "-" in name else name
    elif domain in _YANDEX:
        domain = "yandex.ru"
    name = name.strip(_BLANK).lower()
    return NormalAddress(f"{name}@{domain}" if name else "")


def spellings(address: str) -> list[str]:
    """
    Return how an account with this address may be stored: as written, the normal form, lower case.

    keyshop stores the second only; other programs made accounts from addresses as they were given,
    and whoever writes one exactly so must find it, whatever others have registered since.
    """
    trimmed = address.strip(_BLANK)
    return [trimmed, normalise(trimmed), trimmed.lower()]


def counted_as(stored: NormalAddress) -> str:
    """Return the form under which attempts are counted for an account, however it is stored."""
    # Of a Yahoo address nobody can tell whether its sub-address was taken off already.
    return stored if stored.rpartition("@")[2] in _YAHOO else normalise(stored)


def parse_sign_in_email(address: str) -> NormalAddress:
    """
    Return the normal form of an address that somebody signs in with.

    Raises:
        AccountInvalid: it cannot be anybody's.
    """
    trimmed = address.strip(_BLANK)
    if len(trimmed) > _MAX_LENGTH or _is_askable(trimmed) is None:
        raise AccountInvalid("email must be a valid e-mail address.")
    return normalise(trimmed)


def parse_new_email(address: str) -> NormalAddress:
    """
    Return the normal form of an address that is to become an account's.

    Only plain letters: another alphabet's look-alikes must never be mistaken for somebody else's
    address. Domains of other alphabets are written as punycode.

    Raises:
        AccountInvalid: it is no address, or not in plain letters.
    """
    trimmed = address.strip(_BLANK)
    name, _, domain = trimmed.rpartition("@")
    normal = normalise(trimmed)
    if (
        len(trimmed) > _MAX_LENGTH
        or len(name) > _MAX_NAME
        or _is_name(name) is None
        or _is_domain(domain) is None
        or not normal
        # Nobody has a mailbox there; accounts that were erased are named so.
        or normal.endswith(".invalid")
    ):
        raise AccountInvalid("email must be a valid e-mail address in plain letters.")
    return normal
