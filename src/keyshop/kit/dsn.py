"""The address of the database, as other programs of the shop write it."""

from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from msgspec import Struct

from keyshop.kit.errors import Invalid

# What the driver (or PostgreSQL itself) understands in the same sense.
_KEPT: Final = frozenset(
    {
        "application_name",
        "host",
        "options",
        "port",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
    }
)
# What only Prisma's engine or libpq understands and nobody needs here. The driver would send them
# to the server as settings, and the server would refuse the connection.
_DROPPED: Final = frozenset(
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

_FORM: Final = "DATABASE_URL should look like postgresql://user:password@host:5432/database."


class BadDatabaseUrl(Invalid):
    """The address is none; the sentence never repeats it, because it holds the password."""


class Dsn(Struct, frozen=True):
    """Where the database is and what its address said about the way there."""

    url: str
    """What asyncpg takes, the password included."""

    pgbouncer: bool
    """A transaction pooler stands between: nothing may outlive a transaction on a connection."""

    connection_limit: int | None
    """The most connections that one process may hold."""

    def __repr__(self) -> str:
        return f"Dsn(pgbouncer={self.pgbouncer}, connection_limit={self.connection_limit})"


def clean_dsn(database_url: str) -> Dsn:
    """
    Read a DATABASE_URL, with or without the parameters that Prisma's engine understands.

    Raises:
        BadDatabaseUrl: it is no such address, or asks for something keyshop cannot do.
    """
    parts = _split(database_url)
    parameters = _parameters(parts.query)
    if parameters.get("schema", "public") != "public":
        raise BadDatabaseUrl(
            "DATABASE_URL asks for a schema other than public; the shop's tables stand in public."
        )
    return Dsn(
        url=_without_prismas(parts, parameters),
        pgbouncer=_flag(parameters.get("pgbouncer", "false")),
        connection_limit=_limit(parameters.get("connection_limit")),
    )


def _split(database_url: str) -> SplitResult:
    try:
        parts = urlsplit(database_url)
    except ValueError:
        # The original error quotes the address, and with it the password.
        raise BadDatabaseUrl(_FORM) from None
    if parts.scheme not in {"postgresql", "postgres"} or len(parts.path) <= 1:
        raise BadDatabaseUrl(_FORM)
    if parts.fragment or parts.netloc.count("@") > 1 or not _has_ports(parts.netloc):
        raise BadDatabaseUrl(
            "DATABASE_URL holds a character that needs percent-encoding,"
            " such as # (%23), / (%2F) or @ (%40) in the password."
        )
    return parts


def _has_ports(netloc: str) -> bool:
    """Whether what should be ports are: a / in the password makes a port of the password."""
    addresses = netloc.rpartition("@")[2].split(",")
    return all(_is_number(_port_of(address) or "1", most=65_535) for address in addresses)


def _port_of(address: str) -> str:
    return address.rpartition("]")[2].partition(":")[2]


def _is_number(text: str, *, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= most


def _parameters(query: str) -> dict[str, str]:
    parameters = dict(parse_qsl(query))
    unknown = sorted(parameters.keys() - _KEPT - _DROPPED)
    if unknown:
        raise BadDatabaseUrl(
            f"DATABASE_URL has the parameter {unknown[0]!r}, which keyshop does not know; remove it."
        )
    return parameters


def _without_prismas(parts: SplitResult, parameters: dict[str, str]) -> str:
    kept = {name: value for name, value in parameters.items() if name in _KEPT}
    if parameters.get("sslaccept") == "strict":
        kept["sslmode"] = "verify-full"

    # A host among the parameters is a socket's folder and overrules the one before the path, which
    # the driver would prefer.
    netloc = parts.netloc
    if "host" in kept:
        login, at, address = netloc.rpartition("@")
        netloc = login + at
        if port := _port_of(address):
            kept.setdefault("port", port)

    query = "?" + urlencode(kept, quote_via=quote) if kept else ""
    return f"postgresql://{netloc}{parts.path}{query}"


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadDatabaseUrl("DATABASE_URL: pgbouncer is either true or false.")
    return text == "true"


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not _is_number(text, most=10_000):
        raise BadDatabaseUrl("DATABASE_URL: connection_limit is a number from 1 to 10000.")
    return int(text)
