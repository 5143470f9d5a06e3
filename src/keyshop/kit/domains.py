"""Domain names of other alphabets: as the DNS has them, and as people read them."""

import re
import unicodedata
from typing import Final

import idna

_MAX_LENGTH: Final = 253
_OTHER_DOTS: Final = re.compile("[\u3002\uff0e\uff61]")
_LOOK_ALIKES: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


def to_ascii(domain: str) -> str:
    """Return the domain in lower case and with `xn--` labels; one that has no such form stays."""
    domain = domain.lower()
    if domain.isascii() or len(domain) > _MAX_LENGTH:
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        return domain


def to_unicode(domain: str) -> str:
    """Return the domain with its `xn--` labels decoded; one that cannot be decoded stays."""
    if "xn--" not in domain.lower() or len(domain) > _MAX_LENGTH:
        return domain
    try:
        return idna.decode(domain)
    except UnicodeError:
        return domain


def has_other_dots(domain: str) -> bool:
    """Test whether the domain has a character that IDNA reads as a dot, and that is not one."""
    return _OTHER_DOTS.search(domain) is not None


def mixes_alphabets(domain: str) -> bool:
    """Test whether a label has letters of two alphabets that look alike, such as Cyrillic and Latin."""
    return any(len(_alphabets(label)) > 1 for label in to_unicode(domain).split("."))


def _alphabets(label: str) -> frozenset[str]:
    # The first word of a letter's name is its alphabet.
    names = (unicodedata.name(letter, "").partition(" ")[0] for letter in label)
    return _LOOK_ALIKES.intersection(names)
