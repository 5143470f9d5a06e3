"""The assembled shop, and the replacements of parts that are not configured."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from keyshop.accounts.addresses import NormalAddress
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.errors import TokenRefused
from keyshop.accounts.models import Account, Role
from keyshop.assembly import (
    account_services,
    basket_settings,
    key_ring,
    open_payments,
    open_shop,
    payment_secrets,
    supplier_url,
    token_secrets,
)
from keyshop.embedded.generated_secrets import generate_secrets
from keyshop.keys.errors import KeysRefused
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.secrets import Secret
from keyshop.servers import Servers, cache_server, database_server, embedded_servers
from keyshop.settings import Settings, SettingsError
from keyshop.sync.rules import RunState
from tests.keyshop.test_settings import PRODUCTION, load_from

_DATABASE = "postgresql://shop@db.example/shop"
_REDIS = "redis://cache.example"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_ALICE = Account(
    id="alice",
    email=NormalAddress("alice@example.com"),
    nickname="Alice",
    first_name=None,
    last_name=None,
    avatar=None,
    role=Role.USER,
    email_verified=True,
    password_hash=Secret("no hash"),
    created_at=NOON,
)


def servers_of(settings: Settings) -> list[str]:
    return [server.name for server in embedded_servers(settings)]


class TestServers:
    def test_are_embedded_unless_the_settings_name_others(self, tmp_path: Path):
        assert servers_of(load_from(tmp_path)) == ["postgres", "valkey"]
        assert servers_of(load_from(tmp_path, DATABASE_URL=_DATABASE)) == ["valkey"]
        assert servers_of(load_from(tmp_path, REDIS_URL=_REDIS)) == ["postgres"]
        assert servers_of(load_from(tmp_path, CACHE_MODE="off")) == ["postgres"]

    def test_never_start_in_production(self, tmp_path: Path):
        settings = load_from(tmp_path, **PRODUCTION)

        assert servers_of(settings) == []
        with cache_server(settings) as cache, database_server(settings) as database:
            assert cache is None
            assert database == PRODUCTION["DATABASE_URL"]

    def test_that_the_settings_name_are_used(self, tmp_path: Path):
        settings = load_from(tmp_path, DATABASE_URL=_DATABASE, REDIS_URL=_REDIS)

        with cache_server(settings) as cache, database_server(settings) as database:
            assert (cache, database) == (_REDIS, _DATABASE)

    def test_of_the_cache_are_not_used_when_it_is_off(self, tmp_path: Path):
        settings = load_from(tmp_path, CACHE_MODE="off", REDIS_URL=_REDIS)

        with cache_server(settings) as cache:
            assert cache is None


class TestSupplier:
    def test_is_the_simulator_until_one_is_configured(self, tmp_path: Path):
        assert supplier_url(load_from(tmp_path, SIMULATOR_PORT="9111")) == "http://127.0.0.1:9111"
        given = supplier_url(load_from(tmp_path, **PRODUCTION))
        assert given == PRODUCTION["G2A_API_URL"]


def open_accounts(settings: Settings) -> AbstractContextManager[AccountServices]:
    return account_services(settings, token_secrets(settings))


class TestTokenSecrets:
    def test_that_are_generated_are_the_same_at_every_start(self, tmp_path: Path):
        settings = load_from(tmp_path, KEYSHOP_HOME=str(tmp_path / "home"))
        with open_accounts(settings) as first:
            token = first.tokens.sign_access(_ALICE, family_id="a-family", now=NOON)

        with open_accounts(settings) as second:
            assert second.tokens.read_access(token, now=NOON).user_id == _ALICE.id

    def test_that_the_settings_hold_leave_no_file(self, tmp_path: Path):
        settings = load_from(tmp_path, KEYSHOP_HOME=str(tmp_path / "home"), **PRODUCTION)

        with open_accounts(settings):
            assert not (tmp_path / "home").exists()

    def test_stay_good_for_reading_after_a_rotation(self, tmp_path: Path):
        old = PRODUCTION["JWT_SECRET"]
        with open_accounts(load_from(tmp_path, **PRODUCTION)) as before:
            token = before.tokens.sign_access(_ALICE, family_id="a-family", now=NOON)
        rotated = PRODUCTION | {"JWT_SECRET": "n" * 40}

        with open_accounts(load_from(tmp_path, **rotated, JWT_PREVIOUS_SECRET=old)) as after:
            assert after.tokens.read_access(token, now=NOON).user_id == _ALICE.id
        with open_accounts(load_from(tmp_path, **rotated)) as later, pytest.raises(TokenRefused):
            later.tokens.read_access(token, now=NOON)

    def test_of_both_kinds_differ_even_when_one_is_given(self, tmp_path: Path):
        made = generate_secrets(tmp_path, ["JWT_REFRESH_SECRET"])["JWT_REFRESH_SECRET"].reveal()
        settings = load_from(tmp_path, KEYSHOP_HOME=str(tmp_path), JWT_SECRET=made)

        with pytest.raises(SettingsError, match="must differ"), open_accounts(settings):
            pass

    def test_of_game_keys_and_payments_are_generated_once(self, tmp_path: Path):
        settings = load_from(tmp_path, KEYSHOP_HOME=str(tmp_path / "home"))

        sealed = key_ring(settings).seal(b"AAAA-BBBB", context=b"row")
        (payment,) = payment_secrets(settings)

        assert key_ring(settings).unseal(sealed, context=b"row") == b"AAAA-BBBB"
        assert payment_secrets(settings) == (payment,)
        assert len(payment.reveal()) >= 32

    def test_of_game_keys_and_payments_are_those_of_the_settings(self, tmp_path: Path):
        settings = load_from(
            tmp_path, **PRODUCTION, PAYMENT_WEBHOOK_SECRETS=f"{'a' * 32}, {'b' * 32}"
        )

        assert repr(key_ring(settings)) == "KeyRing(versions=[1], current=1)"
        assert payment_secrets(settings) == (Secret("a" * 32), Secret("b" * 32))
        assert payment_secrets(load_from(tmp_path, **PRODUCTION)) == ()

    def test_are_never_printed(self, tmp_path: Path):
        with open_accounts(load_from(tmp_path, **PRODUCTION)) as parts:
            assert PRODUCTION["JWT_SECRET"] not in repr(parts)
            assert PRODUCTION["JWT_REFRESH_SECRET"] not in repr(parts)
        settings = load_from(tmp_path, **PRODUCTION)
        baskets = basket_settings(settings, token_secrets(settings))
        assert PRODUCTION["JWT_SECRET"] not in repr(baskets)


class TestAccountServices:
    def test_hold_what_the_settings_say(self, tmp_path: Path):
        settings = load_from(
            tmp_path, KEYSHOP_HOME=str(tmp_path), CART_MAX_QUANTITY="5", CART_MAX_LINES="7",
            GUEST_SESSIONS_PER_HOUR="9",
            JWT_EXPIRES_IN="15m", JWT_REFRESH_EXPIRES_IN="7d",
        )  # fmt: skip

        limits = basket_settings(settings, token_secrets(settings)).limits
        with open_accounts(settings) as parts:
            assert (limits.max_quantity, limits.max_lines) == (5, 7)
            assert limits.guest_sessions_per_hour == 9
            assert parts.tokens.access_lifetime == timedelta(minutes=15)
            assert parts.tokens.refresh_lifetime == timedelta(days=7)


class TestShop:
    async def test_reads_the_simulators_catalogue_without_any_variable_of_the_supplier(
        self, tmp_path: Path, db: Database, database_url: str, simulator_url: str
    ):
        settings = load_from(
            tmp_path, KEYSHOP_HOME=str(tmp_path), SIMULATOR_PORT=str(urlsplit(simulator_url).port)
        )

        async with open_shop(settings, Servers(database_url=database_url, redis_url=None)) as shop:
            full, stock = await shop.run_full_sync(), await shop.run_stock_check()

        assert (full.state, full.added) == (RunState.COMPLETE, 60)
        assert (stock.state, stock.updated) == (RunState.COMPLETE, 0)
        async with db.read() as reader:
            assert await reader.fetchval("SELECT count(*) FROM games WHERE price > 0") == 60

    async def test_refuses_to_open_while_its_database_is_away(self, tmp_path: Path):
        with pytest.raises(DatabaseUnavailable):
            async with open_shop(
                load_from(tmp_path, KEYSHOP_HOME=str(tmp_path)),
                Servers(database_url="postgresql://nobody@127.0.0.1:1/nothing", redis_url=None),
            ):
                pass

    async def test_refuses_to_open_with_other_keys_than_its_database_was_sealed_with(
        self, tmp_path: Path, database_url: str
    ):
        servers = Servers(database_url=database_url, redis_url=None)
        first, other = (load_from(tmp_path, KEYSHOP_HOME=str(tmp_path / each)) for each in "ab")
        async with open_shop(first, servers) as shop:
            assert shop.vault.ring.current == 1

        with pytest.raises(KeysRefused, match="KEY_ENCRYPTION_KEYS has another key of version 1"):
            async with open_shop(other, servers):
                pass


class TestPayments:
    async def test_of_the_demo_are_not_offered_by_default_at_an_attached_database(
        self, db: Database, tmp_path: Path
    ):
        unset = load_from(tmp_path)
        made_here = await open_payments(unset, db)
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO keyshop.attachment (begun_at) VALUES (now())")

        attached = await open_payments(unset, db)
        on_request = await open_payments(load_from(tmp_path, PAYMENT_PROVIDER="demo"), db)

        assert made_here.provider is not None
        assert attached.provider is None
        assert on_request.provider is not None
