"""The address of the database, with the parameters of Prisma's engine."""

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
        "sslmode",
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

_EXPECTED_FORM: Final = (
    "DATABASE_URL should look like postgresql://user:password@host:5432/database."
)


class BadDatabaseUrl(Invalid):
    """DATABASE_URL is not valid; the message never repeats it, because it holds the password."""


class Dsn(Struct, frozen=True):
    """The parsed DATABASE_URL."""

    url: str
    """The address for asyncpg, with the password."""

    pgbouncer: bool
    """A transaction pooler is in between: no session state may outlive a transaction."""

    connection_limit: int | None
    """The maximum number of connections of one process."""

    def __repr__(self) -> str:
        return f"Dsn(pgbouncer={self.pgbouncer}, connection_limit={self.connection_limit})"


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
    return Dsn(
        url=_to_driver_url(parts, parameters),
        pgbouncer=_parse_pgbouncer(parameters.get("pgbouncer", "false")),
        connection_limit=_parse_connection_limit(parameters.get("connection_limit")),
    )


def _split(database_url: str) -> SplitResult:
    try:
        parts = urlsplit(database_url)
    except ValueError:
        # The original error quotes the address, and with it the password.
        raise BadDatabaseUrl(_EXPECTED_FORM) from None
    if parts.scheme not in {"postgresql", "postgres"} or len(parts.path) <= 1:
        raise BadDatabaseUrl(_EXPECTED_FORM)
    if parts.fragment or parts.netloc.count("@") > 1 or not _has_valid_ports(parts.netloc):
        raise BadDatabaseUrl(
            "DATABASE_URL holds a character that needs percent-encoding,"
            " such as # (%23), / (%2F) or @ (%40) in the password."
        )
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
    parameters = dict(parse_qsl(query))
    unknown = sorted(parameters.keys() - _DRIVER_PARAMETERS - _IGNORED_PARAMETERS)
    if unknown:
        raise BadDatabaseUrl(
            f"DATABASE_URL has the parameter {unknown[0]!r}, which keyshop does not support; remove it."
        )
    return parameters


def _to_driver_url(parts: SplitResult, parameters: dict[str, str]) -> str:
    kept = {name: value for name, value in parameters.items() if name in _DRIVER_PARAMETERS}
    if parameters.get("sslaccept") == "strict":
        kept["sslmode"] = "verify-full"

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
