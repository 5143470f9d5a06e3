"""Every variable: its default, its valid forms, and how a wrong value is refused."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

from keyshop.catalog.rules import PriceBasis
from keyshop.keys.settings import KeyStorage
from keyshop.settings import Environment, Settings, SettingsError, load_settings
from tests.keyshop.entrypoints.cli.shop_process import shop_environment

_CHECKOUT = Path(__file__).parents[2]

_KEY = "1:" + "A" * 43 + "="  # 32 bytes
_LONG = "a secret of 40 characters, hard to guess"
_SUPPLIER = {
    "G2A_API_URL": "https://api.example/integration-api/v1",
    "G2A_CLIENT_ID": "the-id",
    "G2A_EMAIL": "shop@example.com",
    "G2A_CLIENT_SECRET": "hush-hush-supplier",
}
PRODUCTION = _SUPPLIER | {
    "KEYSHOP_ENV": "production",
    "DATABASE_URL": "postgresql://shop:hush-hush@db.example/shop",
    "JWT_SECRET": _LONG,
    "JWT_REFRESH_SECRET": _LONG[::-1],
    "KEY_ENCRYPTION_KEYS": _KEY,
    "WEBHOOK_SECRETS": "hush-hush-hook",
}


def load_from(folder: Path, **variables: str) -> Settings:
    """Read the settings from the folder's `.env` with these variables only."""
    lines = [f"{name}='{value}'\n" for name, value in variables.items()]
    (folder / ".env").write_text("".join(lines))
    with chdir(folder), _no_variables_from_outside():
        return load_settings()


@contextmanager
def _no_variables_from_outside() -> Iterator[None]:
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


@pytest.fixture
def load(tmp_path):
    """Read the settings from these variables alone."""
    return partial(load_from, tmp_path)


class TestDefaults:
    def test_are_those_of_a_shop_on_a_laptop(self, load):
        settings = load()

        assert settings.keyshop_env is Environment.DEVELOPMENT
        assert settings.keyshop_home.name == "keyshop"
        assert (settings.keyshop_host, settings.keyshop_port) == ("127.0.0.1", 8000)
        assert settings.keyshop_workers == 1
        assert settings.database_url is None
        assert settings.redis_url is None
        assert settings.cache_mode == "on"
        assert settings.g2a_requests_per_minute == 600
        assert settings.g2a_price_basis is PriceBasis.HIGHEST
        assert settings.uses_simulator
        assert not settings.trusts_qty
        assert (settings.simulator_port, settings.simulator_products) == (8001, 2000)
        assert settings.simulator_seed == 1
        assert settings.jwt_expires_in == timedelta(hours=1)
        assert settings.jwt_refresh_expires_in == timedelta(days=30)
        assert settings.shop_url == "http://localhost:8000"
        assert settings.allowed_origins == ()
        assert settings.trusted_proxies == ()
        assert settings.storefront_dir is None
        assert settings.order_max_units == 100
        assert settings.takes_demo_payments
        assert settings.payment_webhook_secrets == ()
        assert settings.key_storage is KeyStorage.SEALED
        assert (settings.seller_name, settings.seller_address) == (None, None)
        assert settings.seller_vat_note is None
        assert settings.log_format is None
        assert settings.log_level == "info"

    def test_hold_for_every_variable_with_an_empty_value(self, load):
        empty = load(**{name.upper(): "" for name in Settings.model_fields})

        assert empty == load()


_ACCEPTED = [
    ("DATABASE_URL", "postgresql://u:p@h/db?schema=public&connection_limit=5&pgbouncer=true", None),
    ("DATABASE_URL", "postgres://u:p@h:5433/db", None),
    ("REDIS_URL", "redis://user:pass@h:6379/3", None),
    ("REDIS_URL", "rediss://h", None),
    ("REDIS_URL", "unix:///run/redis.sock?db=2", None),
    ("CACHE_MODE", "off", "off"),
    ("KEYSHOP_PORT", "65535", 65535),
    ("KEYSHOP_WORKERS", "4", 4),
    ("G2A_PRICE_BASIS", "minPrice", PriceBasis.MIN_PRICE),
    ("G2A_TRUST_QTY", "true", True),
    ("G2A_TRUST_QTY", "0", False),
    ("SIMULATOR_PRODUCTS", "1000000", 1_000_000),
    ("JWT_EXPIRES_IN", "90s", timedelta(seconds=90)),
    ("JWT_EXPIRES_IN", "15m", timedelta(minutes=15)),
    ("JWT_EXPIRES_IN", "3600", timedelta(hours=1)),
    ("JWT_REFRESH_EXPIRES_IN", "7d", timedelta(days=7)),
    ("KEY_ENCRYPTION_KEYS", f"{_KEY}, 2{_KEY[1:]}", (_KEY, f"2{_KEY[1:]}")),
    ("PUBLIC_URL", "https://shop.example/", "https://shop.example"),
    ("ALLOWED_ORIGINS", "https://Shop.example, http://localhost:5173/",
     ("https://shop.example", "http://localhost:5173")),
    ("TRUSTED_PROXIES", "10.0.0.0/8,::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    ("SMTP_URL", "smtps://user:password@mail.example:465", None),
    ("MAIL_FROM", "The Shop <shop@example.com>", "The Shop <shop@example.com>"),
    ("CART_MAX_QUANTITY", "5", 5),
    ("CART_MAX_LINES", "1000", 1000),
    ("ORDER_MAX_UNITS", "1000", 1000),
    ("PAYMENT_PROVIDER", "none", "none"),
    ("PAYMENT_WEBHOOK_SECRETS", f"{'r' * 32},{'s' * 32}", None),
    ("KEY_STORAGE", "plain", KeyStorage.PLAIN),
    ("SELLER_NAME", "Schlüssel & Söhne GmbH", "Schlüssel & Söhne GmbH"),
    ("SELLER_ADDRESS", "Street 1\n12345 Town", "Street 1\n12345 Town"),
    ("SELLER_VAT_NOTE", "VAT is included.", "VAT is included."),
    ("GUEST_SESSIONS_PER_HOUR", "5", 5),
    ("LOG_FORMAT", "json", "json"),
    ("LOG_LEVEL", "debug", "debug"),
]  # fmt: skip


class TestValues:
    @pytest.mark.parametrize(("variable", "text", "value"), _ACCEPTED)
    def test_are_read_in_the_forms_that_are_documented(self, load, variable, text, value):
        found = getattr(load(**{variable: text}), variable.lower())

        assert found == value if value is not None else found is not None

    def test_home_may_begin_with_the_users_folder(self, load):
        assert load(KEYSHOP_HOME="~/shop").keyshop_home == Path.home() / "shop"

    def test_quantities_are_trusted_on_the_suppliers_sandbox(self, load):
        sandbox = _SUPPLIER | {"G2A_API_URL": "https://sandboxapi.example/v1"}

        assert load(**sandbox).trusts_qty
        assert not load(**_SUPPLIER).trusts_qty
        assert not load(**sandbox, G2A_TRUST_QTY="false").trusts_qty

    def test_of_the_environment_override_the_file(self, tmp_path):
        (tmp_path / ".env").write_text("KEYSHOP_PORT=1111\nKEYSHOP_WORKERS=3\n")
        script = (
            "from keyshop.settings import load_settings as load; s = load();"
            "print(s.keyshop_port, s.keyshop_workers)"
        )

        done = subprocess.run(
            [sys.executable, "-c", script],
            env=shop_environment(tmp_path, KEYSHOP_PORT=2222, KEYSHOP_WORKERS=""),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout == "2222 3\n"


_REFUSED = [
    ("KEYSHOP_ENV", "staging-hush"),
    ("KEYSHOP_PORT", "hush"),
    ("KEYSHOP_PORT", "70123"),
    ("KEYSHOP_WORKERS", "0"),
    ("DATABASE_URL", "mysql://u:hush@h/db"),
    ("DATABASE_URL", "postgresql://u:hush@h/db?schema=other"),
    ("DATABASE_URL", "postgresql://u:hush@h:port/db"),
    ("REDIS_URL", "http://u:hush@h"),
    ("REDIS_URL", "redis://u:hush\N{CARE OF}@h"),
    ("REDIS_URL", "redis://u:hush@h:port"),
    ("REDIS_URL", "redis://:hush#x@h"),
    ("REDIS_URL", "redis://:12#hush@h"),
    ("REDIS_URL", "redis://:12/hush@h"),
    ("REDIS_URL", "redis://:12?hush@h"),
    ("REDIS_URL", "redis://u:hush@x@h"),
    ("REDIS_URL", "redis://:hush@h/shop"),
    ("REDIS_URL", "redis://:hush@h/1/2"),
    ("CACHE_MODE", "hush"),
    ("G2A_REQUESTS_PER_MINUTE", "0"),
    ("G2A_PRICE_BASIS", "hush"),
    ("G2A_TRUST_QTY", "hush"),
    ("SIMULATOR_PORT", "-17"),
    ("SIMULATOR_PRODUCTS", "1000001"),
    ("SIMULATOR_SEED", "hush"),
    ("JWT_SECRET", "hush"),
    ("JWT_REFRESH_SECRET", "hush"),
    ("JWT_PREVIOUS_SECRET", "hush"),
    ("JWT_REFRESH_PREVIOUS_SECRET", "hush"),
    ("JWT_EXPIRES_IN", "hush"),
    ("JWT_EXPIRES_IN", "0"),
    ("JWT_EXPIRES_IN", "59s"),
    ("JWT_EXPIRES_IN", "2147484"),
    ("JWT_EXPIRES_IN", "30d"),
    ("JWT_REFRESH_EXPIRES_IN", "59m"),
    ("JWT_REFRESH_EXPIRES_IN", "99999999999999999999d"),
    ("KEY_ENCRYPTION_KEYS", "hush"),
    ("KEY_ENCRYPTION_KEYS", "1:hush"),
    ("KEY_ENCRYPTION_KEYS", f"one{_KEY[1:]}"),
    ("KEY_ENCRYPTION_KEYS", f"0{_KEY[1:]}"),
    ("KEY_ENCRYPTION_KEYS", f"²{_KEY[1:]}"),
    ("KEY_ENCRYPTION_KEYS", f"{_KEY},0{_KEY}"),
    ("KEY_ENCRYPTION_KEYS", f"{_KEY},2:hush"),
    ("SMTP_URL", "http://u:hush@h"),
    ("SMTP_URL", "smtp://u:hush\N{CARE OF}@h"),
    ("SMTP_URL", "smtp://u:hush@mail.example?starttls=hush"),
    ("MAIL_FROM", "hush"),
    ("PUBLIC_URL", "hush"),
    ("PUBLIC_URL", "https://shop.example/hush"),
    ("ALLOWED_ORIGINS", "*"),
    ("ALLOWED_ORIGINS", "https://shop.example/hush"),
    ("TRUSTED_PROXIES", "hush"),
    ("TRUSTED_PROXIES", "10.1.2.3/8"),
    ("STOREFRONT_DIR", "hush"),
    ("KEYSHOP_HOME", "~hush/shop"),
    ("KEYSHOP_HOME", "/tmp/hu\nsh"),
    ("KEYSHOP_HOME", "/tmp/hush\t"),
    ("CART_MAX_QUANTITY", "0"),
    ("CART_MAX_QUANTITY", "10000"),
    ("CART_MAX_LINES", "hush"),
    ("ORDER_MAX_UNITS", "0"),
    ("ORDER_MAX_UNITS", "1001"),
    ("PAYMENT_PROVIDER", "hush"),
    ("PAYMENT_WEBHOOK_SECRETS", "hush"),
    ("PAYMENT_WEBHOOK_SECRETS", f"{'r' * 32},hush"),
    ("KEY_STORAGE", "hush"),
    ("SELLER_NAME", "hu\nsh"),
    ("SELLER_ADDRESS", "hu\x1bsh"),
    ("SELLER_VAT_NOTE", "hu\nsh"),
    ("GUEST_SESSIONS_PER_HOUR", "0"),
    ("LOG_FORMAT", "hush"),
    ("LOG_LEVEL", "hush"),
]


class TestRefusals:
    def test_of_a_home_that_is_not_utf8_name_the_variable(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("KEYSHOP_HOME", "/tmp/shop\udcff")
        with pytest.raises(SettingsError, match=r"KEYSHOP_HOME: .*not UTF-8"):
            load_settings()

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("DATABASE_URL", "postgresql://u:12#hush@h/shop"),
            ("DATABASE_URL", "postgresql://u:#hush@h/shop"),
            ("REDIS_URL", "redis://:12#hush@h"),
            ("REDIS_URL", "rediss://u:hush#@h:6379/0"),
            ("REDIS_URL", "unix://:hush#@/run/redis.sock"),
            ("SMTP_URL", "smtp://u:12#hush@h:25"),
            ("SMTP_URL", "smtps://u:#hush@h"),
        ],
    )
    def test_of_a_password_with_a_number_sign_tell_how_to_write_it(self, load, variable, text):
        with pytest.raises(SettingsError, match=f"{variable}.*%23") as refusal:
            load(**{variable: text})

        assert "hush" not in str(refusal.value)

    @pytest.mark.parametrize(("variable", "text"), _REFUSED)
    def test_name_the_variable_and_never_the_value(self, load, variable, text):
        with pytest.raises(SettingsError) as refusal:
            load(**{variable: text})

        sentence = str(refusal.value)
        assert variable in sentence
        assert re.fullmatch(r"[^\n]+[^.]\.", sentence)
        assert "hush" not in sentence
        assert len(text) < 4 or text not in sentence
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__

    @pytest.mark.parametrize("missing", _SUPPLIER)
    def test_a_supplier_given_in_part_names_the_missing_one(self, load, missing):
        part = {name: value for name, value in _SUPPLIER.items() if name != missing}

        with pytest.raises(SettingsError, match=missing) as refusal:
            load(**part)

        assert not any(name in str(refusal.value) for name in part)
        assert "hush" not in str(refusal.value)

    def test_equal_secrets(self, load):
        with pytest.raises(SettingsError, match="JWT_SECRET and JWT_REFRESH_SECRET must differ"):
            load(JWT_SECRET=_LONG, JWT_REFRESH_SECRET=_LONG)

    def test_accept_access_tokens_as_long_as_a_browser_timer(self, load):
        assert load(JWT_EXPIRES_IN="60").jwt_expires_in == timedelta(minutes=1)
        assert load(JWT_EXPIRES_IN="2147483").jwt_expires_in == timedelta(seconds=2_147_483)
        assert load(JWT_EXPIRES_IN="1h", JWT_REFRESH_EXPIRES_IN="1h").jwt_secret is None

    def test_one_port_for_shop_and_simulator(self, load):
        with pytest.raises(SettingsError, match="SIMULATOR_PORT and KEYSHOP_PORT must differ"):
            load(KEYSHOP_PORT="8001")

        # Without a simulator, its port is free for the shop.
        assert load(KEYSHOP_PORT="8001", **_SUPPLIER).keyshop_port == 8001


class TestProduction:
    def test_starts_with_every_required_variable(self, load):
        settings = load(**PRODUCTION)

        assert settings.keyshop_env is Environment.PRODUCTION
        assert not settings.uses_simulator

    def test_warns_without_an_address_or_a_mail_server(self, load):
        public = {"PUBLIC_URL": "https://shop.example"}
        mail = {"SMTP_URL": "smtp://mail.example"}

        assert [warning.split()[0] for warning in load(**PRODUCTION).warnings] == [
            "PUBLIC_URL",
            "SMTP_URL",
        ]
        without_mail = load(**PRODUCTION, **public)
        assert [warning.split()[0] for warning in without_mail.warnings] == ["SMTP_URL"]
        assert load(**PRODUCTION, **public, **mail).warnings == []
        assert load().warnings == []

    def test_takes_no_payments_unless_a_provider_is_set(self, load):
        settings = load(**PRODUCTION)

        assert not settings.takes_demo_payments
        assert settings.payment_webhook_secrets == ()

    def test_refuses_the_demo_that_gives_money_for_nothing(self, load):
        with pytest.raises(SettingsError, match="PAYMENT_PROVIDER must not be demo in production"):
            load(**PRODUCTION, PAYMENT_PROVIDER="demo")

        assert not load(**PRODUCTION, PAYMENT_PROVIDER="none").takes_demo_payments
        assert load(PAYMENT_PROVIDER="demo").takes_demo_payments
        assert not load(PAYMENT_PROVIDER="none").takes_demo_payments

    @pytest.mark.parametrize("missing", [name for name in PRODUCTION if name != "KEYSHOP_ENV"])
    def test_names_a_missing_variable(self, load, missing):
        with pytest.raises(SettingsError, match=missing):
            load(**{name: value for name, value in PRODUCTION.items() if name != missing})

    def test_names_all_missing_variables_at_once(self, load):
        with pytest.raises(SettingsError) as refusal:
            load(KEYSHOP_ENV="production")

        assert all(name in str(refusal.value) for name in PRODUCTION if name != "KEYSHOP_ENV")


class TestPrinting:
    def test_shows_no_secret(self, load):
        secret = {
            **PRODUCTION,
            "REDIS_URL": "redis://:hush-hush-redis@cache.example",
            "SMTP_URL": "smtp://user:hush-hush-mail@mail.example",
            "JWT_PREVIOUS_SECRET": _LONG + "hush",
            "PAYMENT_WEBHOOK_SECRETS": "hush" * 8,
            "JWT_REFRESH_PREVIOUS_SECRET": "hush" + _LONG,
        }

        printed = repr(load(**secret)) + str(load(**secret))

        assert "hush" not in printed
        assert _LONG not in printed
        assert _LONG[::-1] not in printed
        assert _KEY[2:] not in printed


class TestExample:
    def test_names_every_variable_and_no_other(self):
        named = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", _example(), re.MULTILINE)

        assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)

    def test_shows_the_default_of_each_variable(self, load):
        shown = dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.+)$", _example(), re.MULTILINE))

        assert load(**shown) == load()


def _example() -> str:
    return (_CHECKOUT / ".env.example").read_text()
