from contextlib import suppress
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.dsn import BadDatabaseUrl, Dsn, clean_dsn

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
PRISMAS = {
    "schema": st.just("public"),
    "connection_limit": st.integers(1, 10_000).map(str),
    "pool_timeout": st.integers(0, 99).map(str),
    "connect_timeout": st.integers(0, 99).map(str),
    "socket_timeout": st.integers(0, 99).map(str),
    "pgbouncer": st.sampled_from(["true", "false"]),
    "statement_cache_size": st.integers(0, 500).map(str),
    "sslaccept": st.just("accept_invalid_certs"),
    "channel_binding": st.just("require"),
}


def understood(url: str) -> tuple[object, dict[str, object]]:
    """The driver's parsing of a URL: hosts with ports, and the other parameters."""
    read = vars(connect_utils)["_parse_connect_dsn_and_args"]
    addresses, parameters, *_ = read(
        dsn=url,
        **dict.fromkeys(
            [
                "host",
                "port",
                "user",
                "password",
                "passfile",
                "database",
                "ssl",
                "service",
                "servicefile",
                "direct_tls",
                "server_settings",
                "target_session_attrs",
                "krbsrvname",
                "gsslib",
            ]
        ),
    )
    return addresses, {
        name: getattr(parameters, name)
        for name in ("user", "password", "database", "server_settings")
    }


class TestCleanDsn:
    @given(
        user=TEXTS,
        password=TEXTS,
        database=TEXTS,
        port=st.integers(1, 65535),
        parameters=st.fixed_dictionaries({}, optional=PRISMAS),
    )
    def test_keeps_login_and_host_and_removes_prismas_parameters(
        self, user: str, password: str, database: str, port: int, parameters: dict[str, str]
    ) -> None:
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        plain = f"postgresql://{login}@127.0.0.1:{port}/{quote(database, safe='')}"

        dsn = clean_dsn(f"{plain}?{query}&sslmode=disable")

        assert dsn.url == f"{plain}?sslmode=disable"
        assert understood(dsn.url) == (
            [("127.0.0.1", port)],
            {"user": user, "password": password, "database": database, "server_settings": None},
        )
        assert dsn.pgbouncer == (parameters.get("pgbouncer") == "true")
        assert dsn.connection_limit == (
            int(parameters["connection_limit"]) if "connection_limit" in parameters else None
        )
        assert clean_dsn(dsn.url).url == dsn.url

    @given(st.text(max_size=60) | st.text(max_size=60).map("postgresql://".__add__))
    def test_answers_any_text_with_an_address_or_a_sentence(self, text: str) -> None:
        with suppress(BadDatabaseUrl):
            assert clean_dsn(text).url.startswith("postgresql://")

    def test_leaves_a_plain_address_alone(self) -> None:
        plain = "postgresql://shop:secret@db.example.com:5432/shop"
        assert clean_dsn(plain) == Dsn(url=plain, pgbouncer=False, connection_limit=None)

    def test_takes_the_short_scheme(self) -> None:
        assert clean_dsn("postgres://u@h/shop").url == "postgresql://u@h/shop"

    @pytest.mark.parametrize(
        "address",
        [
            "u:p@localhost:5433/shop?host=/run/pg",
            "u:p@/shop?host=/run/pg&port=5433",
            "u:p@[::1]:5433/shop?host=/run/pg",
        ],
    )
    def test_prefers_the_socket_as_prisma_does(self, address: str) -> None:
        addresses, rest = understood(clean_dsn(f"postgresql://{address}&schema=public").url)
        assert addresses == ["/run/pg/.s.PGSQL.5433"]
        assert (rest["user"], rest["password"], rest["database"]) == ("u", "p", "shop")

    def test_asks_for_verified_certificates_where_prisma_would(self) -> None:
        url = clean_dsn("postgresql://u@h/shop?sslmode=require&sslaccept=strict").url
        assert parse_qs(urlsplit(url).query) == {"sslmode": ["verify-full"]}

    @pytest.mark.parametrize(
        ("address", "says"),
        [
            ("", "should look like"),
            ("mysql://u:hunter2@h/shop", "should look like"),
            ("postgresql+asyncpg://u:hunter2@h/shop", "should look like"),
            ("postgresql://u:hunter2@h", "should look like"),
            ("postgresql://u:hunter2[@h/shop", "should look like"),
            ("postgresql://u:hunter2#x@h/shop", "%23"),
            ("postgresql://u:#hunter2@h/shop", "%23"),
            ("postgresql://u:hunter2[#@h/shop", "%23"),
            ("postgresql://u:hunter2?x@h/shop", "%3F"),
            ("postgresql://u:hunter2@x@h/shop", "percent-encoding"),
            ("postgresql://u:hunter2/x@h/shop", "percent-encoding"),
            ("postgresql://u@h:99999/shop", "percent-encoding"),
            ("postgresql://u:hunter2@h/shop#x", "percent-encoding"),
            ("postgresql://u:hunter2@h/shop?schema=other", "schema other than public"),
            ("postgresql://u:hunter2@h/shop?pgbouncer=maybe", "true or false"),
            ("postgresql://u:hunter2@h/shop?connection_limit=0", "from 1 to 10000"),
            ("postgresql://u:hunter2@h/shop?connection_limit=many", "from 1 to 10000"),
            ("postgresql://u:hunter2@h/shop?search_path=x", "search_path"),
            ("postgresql://u:hunter2@h/shop?sslmode=", "sslmode is empty"),
            ("postgresql://u:hunter2@h/shop?schema=public&host=", "host is empty"),
            ("postgresql://u:hunter2@h/shop?pgbouncer", "pgbouncer is empty"),
            ("postgresql://u:hunter2@h/shop?connect_timeout=abc", "connect_timeout.*number"),
            ("postgresql://u:hunter2@h/shop?pool_timeout=-1", "pool_timeout.*number"),
            ("postgresql://u:hunter2@h/shop?host=/run/pg&port=x", "port must be a number"),
            ("postgresql://u:hunter2@h/shop?pgbouncer=true&pgbouncer=false", "'pgbouncer'.*once"),
            ("postgresql://u:hunter2@h/shop?sslmode=require&sslmode=require", "'sslmode'.*once"),
            ("postgresql://u:hunter2@h/shop?target_session_attrs=foo", "one of any, primary"),
            ("postgresql://u:hunter2@h/shop?channel_binding=x", "one of disable, prefer"),
            ("postgresql://u:hunter2@h/shop?sslmode=no-verify", "sslmode must be one of"),
            ("postgresql://u:hunter2@h/shop?sslaccept=always", "sslaccept must be one of"),
            ("postgresql://u:hunter2@h/shop?sslidentity=me.p12", "sslidentity.*sslcert and sslkey"),
            ("postgresql://u:hunter2@h/shop?ssl=true", "'ssl'.*sslmode=require"),
            ("postgresql://u:hunter2@h/shop?sslkey=k.pem", "sslkey without sslcert"),
            ("postgresql://u:hunter2@h/shop?sslcert=c&sslrootcert=r", "needs sslkey"),
            ("postgresql://u:hunter2@h/shop?sslmode=disable&sslaccept=strict", "sslmode=require"),
            ("postgresql://u:hunter2@h/shop?sslmode=require&sslrootcert=system", "verify-full"),
            ("postgresql://u:hunter2@h/shop?sslmode=verify-ca", "verify-ca needs sslrootcert"),
            (
                "postgresql://u:hunter2@h/shop?sslmode=verify-ca&sslcert=c&sslkey=k",
                "verify-ca needs sslrootcert",
            ),
            ("postgresql://u:hunter2@h/shop?sslcertmode=allow", "sslcertmode"),
            (
                "postgresql://u:hunter2@h/shop?ssl_min_protocol_version=1",
                "ssl_min_protocol_version",
            ),
        ],
    )
    def test_refuses_with_a_sentence_that_hides_the_password(self, address: str, says: str) -> None:
        with pytest.raises(BadDatabaseUrl, match=says) as refusal:
            clean_dsn(address)
        assert "hunter2" not in str(refusal.value)
        assert refusal.value.__cause__ is None

    def test_never_prints_the_password(self) -> None:
        assert "hunter2" not in repr(clean_dsn("postgresql://u:hunter2@h/shop"))
