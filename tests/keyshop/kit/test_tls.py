"""The words of TLS in DATABASE_URL, at a PostgreSQL that speaks TLS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest
import trustme

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.connect import connect
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.dsn import BadDatabaseUrl, clean_dsn
from tests.other_postgres import OtherPostgres, Tls, other_postgres

# The embedded PostgreSQL is built without TLS.
_PROGRAMS: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_SESSION: Final = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

pytestmark = pytest.mark.skipif(not _PROGRAMS, reason="no PostgreSQL with TLS is installed")


class Files(NamedTuple):
    """The files that a client has."""

    authority: Path
    strangers_authority: Path
    client: Path
    client_key: Path
    garbage: Path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[OtherPostgres]:
    """A server whose certificate is for 127.0.0.1, and not for localhost."""
    tls = Tls(authority.issue_cert("127.0.0.1"), authority)
    with other_postgres(_PROGRAMS[-1].parent, tls=tls) as server:
        yield server


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    files = Files(*(folder / f"{name}.pem" for name in Files._fields))
    client = authority.issue_cert("shop@example.com", common_name="the shop")
    authority.cert_pem.write_to_path(files.authority)
    trustme.CA().cert_pem.write_to_path(files.strangers_authority)
    client.cert_chain_pems[0].write_to_path(files.client)
    client.private_key_pem.write_to_path(files.client_key)
    files.garbage.write_text("no certificate")
    return files


async def session(server: OtherPostgres, words: str, files: Files) -> "asyncpg.Record":
    """Connect with these words of TLS, and return what the server says of the connection."""
    url = f"{server.url_of('postgres')}?{words.format_map(files._asdict())}"
    connection = await connect(clean_dsn(url), timeout=10)
    try:
        (record,) = await connection.fetch(_SESSION)
        return record
    finally:
        await connection.close()


class TestWordsOfTls:
    @pytest.mark.parametrize(
        "words",
        [
            "",
            "sslmode=prefer",
            "sslmode=require",
            "sslmode=require&ssl_min_protocol_version=TLSv1.3",
            "sslmode=require&sslaccept=accept_invalid_certs",
            "sslmode=require&sslaccept=accept_invalid_certs&sslcert={strangers_authority}",
            "sslmode=require&sslaccept=strict&sslcert={authority}",
            "sslaccept=strict&sslcert={authority}",
            "sslcert={authority}",
            "sslmode=require&sslrootcert={authority}",
            "sslmode=verify-ca&sslrootcert={authority}",
            "sslmode=verify-full&sslrootcert={authority}",
            "sslaccept=strict&sslcert={authority}&ssl_max_protocol_version=TLSv1.2",
        ],
    )
    async def test_encrypt_the_connection(
        self, server: OtherPostgres, files: Files, words: str
    ) -> None:
        assert (await session(server, words, files))["ssl"] is True

    async def test_can_ask_for_none(self, server: OtherPostgres, files: Files) -> None:
        assert (await session(server, "sslmode=disable", files))["ssl"] is False

    @pytest.mark.parametrize(
        "words",
        [
            "sslaccept=strict",
            "sslmode=verify-full",
            "sslmode=verify-full&sslrootcert=system",
            "sslrootcert=system",
        ],
    )
    async def test_can_trust_the_systems_authorities(
        self, server: OtherPostgres, files: Files, words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await session(server, words, files)

        monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
        assert (await session(server, words, files))["ssl"] is True

    @pytest.mark.parametrize(
        "words",
        [
            "sslmode=verify-full&sslrootcert={authority}&sslcert={client}&sslkey={client_key}",
            "sslaccept=strict&sslrootcert={authority}&sslcert={client}&sslkey={client_key}",
            "sslmode=require&sslcert={client}&sslkey={client_key}",
        ],
    )
    async def test_can_show_a_certificate_of_the_shop(
        self, server: OtherPostgres, files: Files, words: str
    ) -> None:
        assert "the shop" in (await session(server, words, files))["client_dn"]

    @pytest.mark.parametrize(
        "words",
        [
            "sslmode=verify-ca&sslrootcert={strangers_authority}",
            "sslmode=verify-full&sslrootcert={strangers_authority}",
            "sslmode=require&sslaccept=strict&sslcert={strangers_authority}",
            "sslcert={strangers_authority}",
        ],
    )
    async def test_refuse_a_certificate_of_a_stranger(
        self, server: OtherPostgres, files: Files, words: str
    ) -> None:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await session(server, words, files)

    @pytest.mark.parametrize(
        ("words", "is_accepted"),
        [
            ("sslmode=verify-ca&sslrootcert={authority}", True),
            ("sslmode=verify-full&sslrootcert={authority}", False),
            ("sslaccept=strict&sslcert={authority}", False),
        ],
    )
    async def test_check_the_host_only_when_they_say_so(
        self, server: OtherPostgres, files: Files, words: str, *, is_accepted: bool
    ) -> None:
        port = urlsplit(server.url_of("postgres")).port
        url = f"postgresql://keyshop@localhost:{port}/postgres?{words.format_map(files._asdict())}"
        if is_accepted:
            await (await connect(clean_dsn(url))).close()
        else:
            with pytest.raises(OSError, match="Hostname mismatch"):
                await connect(clean_dsn(url))

    @pytest.mark.parametrize(
        "words",
        [
            "sslaccept=strict&sslcert={garbage}",
            "sslaccept=strict&sslcert=/no/such.pem",
            "sslaccept=strict&sslcert={authority}&sslcrl={garbage}",
            "sslmode=verify-full&sslrootcert={garbage}",
            "sslmode=verify-full&sslrootcert=/no/such.pem",
            "sslmode=require&sslcert={client}&sslkey={garbage}",
        ],
    )
    async def test_are_refused_when_a_file_is_none(
        self, server: OtherPostgres, files: Files, words: str
    ) -> None:
        with pytest.raises(BadDatabaseUrl, match=r"sslrootcert, sslcert.*cannot be read"):
            await session(server, words, files)

    async def test_tell_why_the_pool_is_refused(self, server: OtherPostgres, files: Files) -> None:
        words = f"sslmode=verify-full&sslrootcert={files.strangers_authority}"
        db = Database(f"{server.url_of('postgres')}?{words}", guard=RedisCommitGuard(None))
        with pytest.raises(DatabaseUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await db.open()

    @pytest.mark.parametrize(
        "words",
        ["sslmode=require", "sslaccept=strict", "sslmode=verify-full&sslrootcert={authority}"],
    )
    async def test_refuse_a_server_without_tls(
        self, postgres_url: str, files: Files, words: str
    ) -> None:
        url = f"{postgres_url}?{words.format_map(files._asdict())}"
        with pytest.raises((OSError, asyncpg.InterfaceError), match="SSL"):
            await connect(clean_dsn(url))
