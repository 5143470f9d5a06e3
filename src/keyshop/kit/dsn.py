"""The address of the database, with the parameters of Prisma's engine and of libpq."""

import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from msgspec import Struct

from keyshop.kit.errors import Invalid

# Parameters that mean the same to the driver or to PostgreSQL.
_DRIVER_PARAMETERS: Final = frozenset(
    {
        "application_name",
        "host",
        "options",
        "port",
        "sslcert",
        "sslcrl",
        "sslkey",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
    }
)
# Parameters of Prisma's engine or libpq that are not needed here. The driver would send them to the
# server as settings, and the server would refuse the connection.
_IGNORED_PARAMETERS: Final = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "connection_limit",
        "pgbouncer",
        "pool_timeout",
        "schema",
        "socket_timeout",
        "sslaccept",
        "statement_cache_size",
    }
)

# The words that a parameter may have.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslaccept": ("strict", "accept_invalid_certs"),
    "channel_binding": ("disable", "prefer", "require"),
    "target_session_attrs": (
        "any",
        "primary",
        "standby",
        "prefer-standby",
        "read-write",
        "read-only",
    ),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
}
# Those that must be whole numbers, although they are not needed here.
_NUMBERS: Final = ("connect_timeout", "pool_timeout", "socket_timeout", "statement_cache_size")
_INSTEAD: Final = {
    "ssl": "write sslmode=require or sslmode=disable",
    "sslidentity": "give a client certificate as sslcert and sslkey, two PEM files",
}
_SYSTEM: Final = "system"
_IN_CONTEXT: Final = (
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslpassword",
    "sslrootcert",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
)
"""Parameters that the driver would ignore beside a context."""

_EXPECTED_FORM: Final = (
    "DATABASE_URL should look like postgresql://user:password@host:5432/database."
)


_ENCODE: Final = (
    "DATABASE_URL holds a character that needs percent-encoding, such as # (%23), / (%2F), ? (%3F)"
    " or @ (%40) in the password."
)


class BadDatabaseUrl(Invalid):
    """DATABASE_URL is not valid; the message never repeats it, because it holds the password."""


class Tls(Struct, frozen=True, kw_only=True):
    """A connection whose certificate is checked against these authorities."""

    ca_file: str | None
    """PEM file of trusted authorities; None: the system's."""

    checks_host: bool
    crl_file: str | None = None
    min_version: str | None = None
    max_version: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    client_password: str | None = None


class Dsn(Struct, frozen=True):
    """The parsed DATABASE_URL."""

    url: str
    """The address for asyncpg, with the password."""

    pgbouncer: bool
    """A transaction pooler is in between: no session state may outlive a transaction."""

    connection_limit: int | None
    """The maximum number of connections of one process."""

    tls: Tls | None = None
    """None: the driver follows the URL's own sslmode."""

    driver_files: Tls | None = None
    """The files that the driver then reads."""

    def tls_context(self) -> ssl.SSLContext | None:
        """
        Return the context for the driver; None: it follows the URL.

        Raises:
            BadDatabaseUrl: a file cannot be read as certificates.
        """
        if self.tls is not None:
            return _make_context(self.tls)
        if self.driver_files is not None:
            # The driver would raise errors that name no parameter.
            _make_context(self.driver_files)
        return None

    def __repr__(self) -> str:
        return f"Dsn(pgbouncer={self.pgbouncer}, connection_limit={self.connection_limit})"


def _make_context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        context.check_hostname = tls.checks_host
        if tls.crl_file is not None:
            context.load_verify_locations(cafile=tls.crl_file)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        if tls.client_cert is not None:
            context.load_cert_chain(tls.client_cert, tls.client_key, tls.client_password or "")
    except OSError:  # of which ssl.SSLError is one
        raise BadDatabaseUrl(
            "DATABASE_URL: a file of sslrootcert, sslcert, sslkey or sslcrl cannot be read as PEM."
        ) from None
    if tls.min_version is not None:
        context.minimum_version = _tls_version(tls.min_version)
    if tls.max_version is not None:
        context.maximum_version = _tls_version(tls.max_version)
    return context


def _tls_version(word: str) -> ssl.TLSVersion:
    return ssl.TLSVersion[word.replace(".", "_")]


def clean_dsn(database_url: str) -> Dsn:
    """
    Parse a DATABASE_URL, with or without the parameters of Prisma's engine.

    Raises:
        BadDatabaseUrl: it is not valid, or requires something that keyshop does not support.
    """
    parts = _split(database_url)
    parameters = _parse_parameters(parts.query)
    if parameters.get("schema", "public") != "public":
        raise BadDatabaseUrl(
            "DATABASE_URL names a schema other than public; the shop's tables are in public."
        )
    tls = _parse_tls(parameters)
    return Dsn(
        url=_to_driver_url(parts, parameters, verifies=tls is not None),
        tls=tls,
        driver_files=_parse_files(parameters) if tls is None else None,
        pgbouncer=_parse_pgbouncer(parameters.get("pgbouncer", "false")),
        connection_limit=_parse_connection_limit(parameters.get("connection_limit")),
    )


def _split(database_url: str) -> SplitResult:
    if "#" in database_url:
        # What follows would be no part of the address.
        raise BadDatabaseUrl(_ENCODE)
    try:
        parts = urlsplit(database_url)
    except ValueError:
        # The original error quotes the address, and with it the password.
        raise BadDatabaseUrl(_EXPECTED_FORM) from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BadDatabaseUrl(_EXPECTED_FORM)
    if len(parts.path) <= 1:
        raise BadDatabaseUrl(_ENCODE if "@" in parts.query else _EXPECTED_FORM)
    if parts.netloc.count("@") > 1 or not _has_valid_ports(parts.netloc):
        raise BadDatabaseUrl(_ENCODE)
    return parts


def _has_valid_ports(netloc: str) -> bool:
    """Test the ports: with a / in it, the password would stand in the place of a port."""
    addresses = netloc.rpartition("@")[2].split(",")
    return all(_is_number(_port_of(address) or "1", maximum=65_535) for address in addresses)


def _port_of(address: str) -> str:
    return address.rpartition("]")[2].partition(":")[2]


def _is_number(text: str, *, maximum: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= maximum


def _parse_parameters(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters = dict(pairs)
    unknown = sorted(parameters.keys() - _DRIVER_PARAMETERS - _IGNORED_PARAMETERS)
    if unknown:
        instead = _INSTEAD.get(unknown[0], "remove it")
        raise BadDatabaseUrl(
            f"DATABASE_URL has the parameter {unknown[0]!r}, which keyshop does not support; {instead}."
        )
    if len(pairs) > len(parameters):
        name = next(name for name in parameters if [each for each, _ in pairs].count(name) > 1)
        raise BadDatabaseUrl(f"DATABASE_URL has the parameter {name!r} more than once; keep one.")
    for name, value in parameters.items():
        if not value:
            raise BadDatabaseUrl(f"DATABASE_URL: {name} is empty; give it a value or remove it.")
        if name in _NUMBERS and not value.isdecimal():
            raise BadDatabaseUrl(f"DATABASE_URL: {name} must be a number, 0 or more.")
        if name == "port" and not all(
            _is_number(each, maximum=65_535) for each in value.split(",")
        ):
            raise BadDatabaseUrl("DATABASE_URL: port must be a number from 1 to 65535.")
    for name, words in _WORDS.items():
        if parameters.get(name, words[0]) not in words:
            raise BadDatabaseUrl(f"DATABASE_URL: {name} must be one of {', '.join(words)}.")
    return parameters


def _parse_tls(parameters: dict[str, str]) -> Tls | None:
    """Return how the server's certificate is checked, where the driver does not do it as asked."""
    _refuse_contradictions(parameters)
    mode = parameters.get("sslmode")
    if mode == "disable" or parameters.get("sslaccept") == "accept_invalid_certs":
        return None
    is_strict = parameters.get("sslaccept") == "strict"
    authority = parameters.get("sslrootcert")
    if _is_prismas(parameters):
        authority = parameters["sslcert"]
    elif authority is None and mode == "verify-full":
        authority = _SYSTEM
    elif authority is not None and authority != _SYSTEM and not is_strict:
        return None
    if authority is None and not is_strict:
        return None
    is_system = authority is None or authority == _SYSTEM
    return Tls(
        ca_file=None if is_system else authority,
        checks_host=is_strict or is_system or mode == "verify-full",
        client_cert=parameters["sslcert"] if "sslkey" in parameters else None,
        client_key=parameters.get("sslkey"),
        client_password=parameters.get("sslpassword"),
        crl_file=parameters.get("sslcrl"),
        min_version=parameters.get("ssl_min_protocol_version"),
        max_version=parameters.get("ssl_max_protocol_version"),
    )


def _refuse_contradictions(parameters: dict[str, str]) -> None:
    mode, authority = parameters.get("sslmode"), parameters.get("sslrootcert")
    is_strict = parameters.get("sslaccept") == "strict"
    if _is_prismas(parameters) and authority is not None:
        raise BadDatabaseUrl(
            "DATABASE_URL has sslcert and sslrootcert; a client certificate needs sslkey as well."
        )
    if "sslkey" in parameters and "sslcert" not in parameters:
        raise BadDatabaseUrl("DATABASE_URL has sslkey without sslcert; give both files.")
    if mode == "disable" and is_strict:
        raise BadDatabaseUrl(
            "DATABASE_URL has sslaccept=strict and sslmode=disable; write sslmode=require."
        )
    if authority == _SYSTEM and mode not in {None, "disable", "verify-full"}:
        raise BadDatabaseUrl("DATABASE_URL: sslrootcert=system needs sslmode=verify-full.")
    if mode == "verify-ca" and not (is_strict or authority or _is_prismas(parameters)):
        raise BadDatabaseUrl(
            "DATABASE_URL: sslmode=verify-ca needs sslrootcert, the file of the authority."
        )


def _is_prismas(parameters: dict[str, str]) -> bool:
    """Test whether sslcert is the authority's certificate; libpq's is the client's, with a sslkey."""
    return "sslcert" in parameters and "sslkey" not in parameters


def _parse_files(parameters: dict[str, str]) -> Tls | None:
    """Return the files that the driver reads; None where it reads none."""
    if parameters.get("sslmode") == "disable":
        return None
    if parameters.keys().isdisjoint({"sslkey", "sslrootcert", "sslcrl"}):
        return None
    authority = parameters.get("sslrootcert")
    return Tls(
        ca_file=None if authority == _SYSTEM else authority,
        checks_host=False,
        client_cert=parameters["sslcert"] if "sslkey" in parameters else None,
        client_key=parameters.get("sslkey"),
        client_password=parameters.get("sslpassword"),
        crl_file=parameters.get("sslcrl"),
    )


def _to_driver_url(parts: SplitResult, parameters: Mapping[str, str], *, verifies: bool) -> str:
    kept = {name: value for name, value in parameters.items() if name in _DRIVER_PARAMETERS}
    if "sslkey" not in kept:
        kept.pop("sslcert", None)
    if verifies:
        # The driver is given the certificates as a context.
        kept["sslmode"] = "verify-full"
        for name in _IN_CONTEXT:
            kept.pop(name, None)
    if kept.get("sslrootcert") == _SYSTEM:
        del kept["sslrootcert"]

    # A host among the parameters is the folder of a socket. It has precedence, but the driver would
    # use the host before the path.
    netloc = parts.netloc
    if "host" in kept:
        login, at, address = netloc.rpartition("@")
        netloc = login + at
        if port := _port_of(address):
            kept.setdefault("port", port)

    query = "?" + urlencode(kept, quote_via=quote) if kept else ""
    return f"postgresql://{netloc}{parts.path}{query}"


def _parse_pgbouncer(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadDatabaseUrl("DATABASE_URL: pgbouncer must be true or false.")
    return text == "true"


def _parse_connection_limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not _is_number(text, maximum=10_000):
        raise BadDatabaseUrl("DATABASE_URL: connection_limit must be a number from 1 to 10000.")
    return int(text)
