"""Addresses of mail servers and of people, in settings and in mails."""

import re
from email.headerregistry import Address
from email.utils import getaddresses
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from msgspec import Struct

from keyshop.kit.domains import to_ascii
from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret


class Encryption(StrEnum):
    """How the connection to the mail server is encrypted."""

    TLS = "tls"  # from the first byte: smtps://
    STARTTLS = "starttls"  # required: nothing is sent without it
    IF_OFFERED = "if offered"  # STARTTLS if the server offers it
    NONE = "none"


class SmtpAddress(Struct, frozen=True, kw_only=True):
    """The mail server and the shop's account with it."""

    host: str
    port: int
    user: str | None
    password: Secret | None
    encryption: Encryption


_HINT: Final = (
    "SMTP_URL: must be smtp://user:password@host:port or smtps://user:password@host:port; in a"
    " password, write # as %23, / as %2F, ? as %3F and @ as %40."
)
_STARTTLS: Final = {
    "true": Encryption.STARTTLS,
    "auto": Encryption.IF_OFFERED,
    "false": Encryption.NONE,
}
_PORTS: Final = {
    Encryption.TLS: 465,
    Encryption.STARTTLS: 587,
    Encryption.IF_OFFERED: 25,
    Encryption.NONE: 25,
}

# Addresses that need no quoting. Quoted local parts and comments are legal, and never used.
_MAIL_ADDRESS: Final = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\Z"
)

_MAX_LOCAL: Final = 64  # bytes


def parse_smtp_url(url: str) -> SmtpAddress:
    """
    Parse smtp://user:password@host:port or smtps://…

    `?starttls=true` requires encryption, `auto` (the default) uses it if the server offers it, and
    `false` never uses it. Without the option, a password for another machine requires it.

    Raises:
        Invalid: with a sentence that does not repeat the URL, which may hold a password.
    """
    parts, port = _parts(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or port == 0:
        raise Invalid(_HINT)
    if parts.path not in {"", "/"} or parts.fragment:
        raise Invalid(_HINT)
    encryption = _encryption(parts)
    return SmtpAddress(
        host=parts.hostname,
        port=port or _PORTS[encryption],
        user=unquote(parts.username) if parts.username else None,
        password=Secret(unquote(parts.password or "")) if parts.username else None,
        encryption=encryption,
    )


def _parts(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port  # checked only when it is read
    except ValueError:
        raise Invalid(_HINT) from None
    return parts, port


def _encryption(parts: SplitResult) -> Encryption:
    options = parse_qs(parts.query, keep_blank_values=True)
    wanted = options.pop("starttls", [])
    if options or len(wanted) > 1 or not _STARTTLS.keys() >= set(wanted):
        raise Invalid("SMTP_URL: the only option is ?starttls= with true, auto or false.")
    # The server would wait for the beginning of TLS, and each mail for its greeting.
    if parts.scheme == "smtp" and parts.port == _PORTS[Encryption.TLS]:
        raise Invalid("SMTP_URL: port 465 is encrypted from the start; write smtps:// for it.")
    if parts.scheme == "smtps":
        if wanted and wanted != ["false"]:
            raise Invalid("SMTP_URL: smtps:// is always encrypted; leave out ?starttls=.")
        return Encryption.TLS
    if wanted:
        return _STARTTLS[wanted[0]]
    # An attacker on the line can remove the offer of STARTTLS and read the password.
    has_password = bool(parts.username) and not _is_on_this_machine(parts.hostname or "")
    return Encryption.STARTTLS if has_password else Encryption.IF_OFFERED


def _is_on_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_sender(mail_from: str) -> Address:
    """
    Parse `shop@example.com` or `The Shop <shop@example.com>`.

    Raises:
        Invalid: it is neither.
    """
    found = getaddresses([mail_from]) if mail_from.isprintable() else []
    name, address = found[0] if len(found) == 1 else ("", "")
    address = with_ascii_domain(address)
    if not is_mail_address(address):
        raise Invalid("MAIL_FROM: must be shop@example.com or The Shop <shop@example.com>.")
    return as_header(address, name=name)


def with_ascii_domain(address: str) -> str:
    """Return the address with its domain as mail servers know it: `xn--` for other alphabets."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain if domain.isascii() else to_ascii(domain)}"


def as_header(address: str, *, name: str = "") -> Address:
    """Return the header form of an address that `is_mail_address` accepts."""
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def is_utf8_mail_address(text: str) -> bool:
    """Test the same, where letters beyond ASCII may stand before the @ (RFC 6531)."""
    local, _, domain = text.rpartition("@")
    letters = "".join(letter for letter in local if not letter.isascii())
    ascii_local = "".join(letter for letter in local if letter.isascii()) or "x"
    return (
        local != ""
        and letters.isprintable()
        and len(local.encode(errors="replace")) <= _MAX_LOCAL
        and is_mail_address(f"{ascii_local}@{domain}")
    )


def is_mail_address(text: str) -> bool:
    """Test whether the text is one address alone: no name, no line break, no second address."""
    return _MAIL_ADDRESS.match(text) is not None
