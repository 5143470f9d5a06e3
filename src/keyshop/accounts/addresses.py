"""
E-mail addresses: which spellings are one mailbox, and which may become an account.

Nearly all accounts of the shop's earlier years are stored as `normalise` writes them, so its rules
describe those accounts, not today's mail providers. `spellings` finds the other accounts.
"""

import re
from typing import Final, NewType

from keyshop.accounts.errors import AccountInvalid
from keyshop.kit.domains import has_other_dots, mixes_alphabets, to_ascii, to_unicode

NormalAddress = NewType("NormalAddress", str)
"""An address as it is stored or looked up."""

_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
_ICLOUD: Final = frozenset({"icloud.com", "me.com"})
_YANDEX: Final = frozenset(
    {"yandex.ru", "yandex.ua", "yandex.kz", "yandex.com", "yandex.by", "ya.ru"}
)
_YAHOO: Final = frozenset(
    {
        "rocketmail.com",
        "ymail.com",
        *(f"yahoo.{suffix}" for suffix in ("ca", "co.uk", "com", "de", "fr", "in", "it")),
    }
)
_HOTMAIL_SUFFIXES: Final = (
    "at be ca cl co.il co.nz co.th co.uk com com.ar com.au com.br com.gr com.mx com.pe com.tr "
    "com.vn cz de dk es fr hu id ie in it jp kr lv my ph pt sa sg sk"
)
_LIVE_SUFFIXES: Final = "be co.uk com com.ar com.mx de es eu fr it nl"
_OUTLOOK_SUFFIXES: Final = (
    "at be cl co.il co.nz co.th com com.ar com.au com.br com.gr com.pe com.tr com.vn cz de dk es "
    "fr hu id ie in it jp kr lv my ph pt sa sg sk"
)
_OUTLOOK: Final = frozenset(
    {
        "msn.com",
        "passport.com",
        *(f"hotmail.{suffix}" for suffix in _HOTMAIL_SUFFIXES.split()),
        *(f"live.{suffix}" for suffix in _LIVE_SUFFIXES.split()),
        *(f"outlook.{suffix}" for suffix in _OUTLOOK_SUFFIXES.split()),
    }
)

# Gmail ignores a single dot; two in a row were stored unchanged.
_SINGLE_DOT: Final = re.compile(r"(?<!\.)\.(?!\.)")

_BLANK: Final = " \t\r\n\f\v"
_MAX_LENGTH: Final = 254
_MAX_NAME: Final = 64

# Without characters that would end a header line of a mail, or that PostgreSQL cannot store.
_is_address: Final = re.compile(
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
    Return the normal form of an address, under which keyshop stores its account.

    Every text has one, and it is its own normal form; that of a text that is not an address belongs
    to no account. A Yahoo address with several hyphens keeps them: to remove one sub-address after
    the other would end at another person's address.
    """
    once = _earlier_form(address)
    if _earlier_form(once) == once:
        return once
    name, domain = _split(address)
    return NormalAddress(f"{name.strip(_BLANK).lower()}@{domain}")


def _earlier_form(address: str) -> NormalAddress:
    """Return the form under which the shop's earlier backend stored the address."""
    name, domain = _split(address)
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


def _split(address: str) -> tuple[str, str]:
    """Return what stands before the @ as written, and the domain as the DNS has it."""
    name, _, domain = address.strip(_BLANK).rpartition("@")
    return name, to_ascii(domain)


def spellings(address: str) -> list[str]:
    """
    Return the forms in which an account may be stored, the closest to the address first.

    keyshop stores the normal form only. Other programs stored addresses as they were given, and the
    exact spelling must find such an account, whatever was registered since. What follows the form
    of a new account are forms of that account's own address, which would have been refused if one
    of them had an account: so a new account takes no address from an older one.
    """
    trimmed = address.strip(_BLANK)
    lower = trimmed.lower()
    forms = (
        *(trimmed, *_forms_of_domain(trimmed)),
        *(lower, *_forms_of_domain(lower)),
        *(_earlier_form(trimmed), normalise(trimmed)),
    )
    return list(dict.fromkeys(forms))


def _forms_of_domain(address: str) -> tuple[str, str]:
    name, domain = _split(address)
    return f"{name}@{domain}", f"{name}@{to_unicode(domain)}"


def displayed(stored: str) -> str:
    """Return a stored address as its owner reads it: an internationalised domain is decoded."""
    name, at, domain = stored.rpartition("@")
    # A mixed domain passes for another one.
    return stored if mixes_alphabets(domain) else f"{name}{at}{to_unicode(domain)}"


def parse_sign_in_email(address: str) -> NormalAddress:
    """
    Return the normal form of an address given to sign in or to reset a password.

    Raises:
        AccountInvalid: no account can have it.
    """
    trimmed = address.strip(_BLANK)
    if len(trimmed) > _MAX_LENGTH or _is_address(trimmed) is None:
        raise AccountInvalid("email must be a valid e-mail address.")
    return normalise(trimmed)


def parse_new_email(address: str) -> NormalAddress:
    """
    Return the normal form of an address for a new account.

    A look-alike letter of another alphabet must not pass for another person's address: before the
    @ there is ASCII only, and the domain is of one alphabet.

    Raises:
        AccountInvalid: it is not an address, or has such letters, or which mailbox it belongs to
            cannot be known.
    """
    trimmed = address.strip(_BLANK)
    if len(trimmed) > _MAX_LENGTH:
        raise AccountInvalid("email must be a valid e-mail address.")
    name, domain = _split(trimmed)
    normal = normalise(trimmed)
    if (
        len(normal) > _MAX_LENGTH
        or len(name) > _MAX_NAME
        or _is_name(name) is None
        or _is_domain(domain) is None
        or mixes_alphabets(domain)
        or has_other_dots(trimmed)
        # A sub-address may leave what is no address, such as `a.@outlook.com` of `a.+b@outlook.com`.
        or _is_name(normal.rpartition("@")[0]) is None
        # No mailbox can exist there; erased accounts have such addresses.
        or normal.endswith(".invalid")
    ):
        raise AccountInvalid(
            "email must be a valid e-mail address, with Latin letters without accents before the @."
        )
    # The account would also answer to another address, and take the spelling of its owner away.
    if _earlier_form(trimmed) != normal:
        raise AccountInvalid("email must have at most one hyphen before the @ at this provider.")
    return normal
