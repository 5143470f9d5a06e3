"""
Everything that differs between a laptop, the tests and production.

Read once, from the environment and then from `.env`; no other module reads a variable. A wrong
value is refused with one sentence that names the variable.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from keyshop.baskets.settings import DEFAULT_GUEST_SESSIONS, DEFAULT_MAX_LINES, DEFAULT_MAX_QUANTITY
from keyshop.catalog.rules import PriceBasis
from keyshop.keys.settings import KeyStorage
from keyshop.kit.errors import Invalid
from keyshop.orders.settings import DEFAULT_MAX_UNITS
from keyshop.setting_types import (
    AccessLifetime,
    DatabaseUrl,
    Duration,
    EncryptionKeys,
    Folder,
    Home,
    Line,
    Lines,
    LongSecret,
    LongSecrets,
    Networks,
    Origin,
    Origins,
    Port,
    RedisUrl,
    Secrets,
    Sender,
    SmtpUrl,
    WebAddress,
)


class SettingsError(Invalid):
    """A variable is missing or has an invalid value."""


class Environment(StrEnum):
    """Where the shop runs."""

    DEVELOPMENT = "development"  # embedded servers and the simulator replace what is not set
    TEST = "test"  # as development, for the test suite
    PRODUCTION = "production"  # nothing is embedded; every secret must be set


class Settings(BaseSettings):
    """The shop's settings; a field's name is its variable's in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    keyshop_env: Environment = Environment.DEVELOPMENT
    keyshop_home: Home = Field(default_factory=lambda: user_data_path("keyshop", appauthor=False))
    keyshop_host: str = "127.0.0.1"
    keyshop_port: Port = 8000
    keyshop_workers: Annotated[int, Field(ge=1, le=256)] = 1

    # Both may hold a password.
    database_url: DatabaseUrl | None = Field(default=None, repr=False)
    redis_url: RedisUrl | None = Field(default=None, repr=False)
    cache_mode: Literal["on", "off"] = "on"

    g2a_api_url: WebAddress | None = None
    g2a_client_id: str | None = None
    g2a_email: str | None = None
    g2a_client_secret: SecretStr | None = None
    g2a_requests_per_minute: Annotated[int, Field(ge=1)] = 600
    g2a_price_basis: PriceBasis = PriceBasis.HIGHEST
    g2a_trust_qty: bool | None = None

    simulator_port: Port = 8001
    simulator_products: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    simulator_seed: int = 1

    jwt_secret: LongSecret | None = None
    jwt_refresh_secret: LongSecret | None = None
    jwt_previous_secret: LongSecret | None = None
    jwt_refresh_previous_secret: LongSecret | None = None
    jwt_expires_in: AccessLifetime = timedelta(hours=1)
    jwt_refresh_expires_in: Duration = timedelta(days=30)
    key_encryption_keys: EncryptionKeys = Field(default=(), repr=False)
    webhook_secrets: Secrets = ()
    payment_webhook_secrets: LongSecrets = ()

    smtp_url: SmtpUrl | None = None
    mail_from: Sender = "keyshop@localhost"
    # Links in mails lead to pages at the root, so this address has no path.
    public_url: Origin | None = None
    allowed_origins: Origins = ()
    trusted_proxies: Networks = ()
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    storefront_dir: Folder | None = None
    metrics_token: LongSecret | None = None
    public_docs: Literal["on", "off"] | None = None

    cart_max_quantity: Annotated[int, Field(ge=1, le=9999)] = DEFAULT_MAX_QUANTITY
    cart_max_lines: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_MAX_LINES
    order_max_units: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_MAX_UNITS
    payment_provider: Literal["demo", "none"] | None = None
    key_storage: KeyStorage = KeyStorage.SEALED
    seller_name: Line | None = None
    seller_address: Lines | None = None
    seller_vat_note: Line | None = None
    guest_sessions_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] = DEFAULT_GUEST_SESSIONS

    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def metrics_folder(self) -> Path:
        """The folder in which all processes of the shop keep their counters."""
        return self.keyshop_home / "metrics"

    @property
    def mail_folder(self) -> Path:
        """The folder to which mails are written while no mail server is set."""
        return self.keyshop_home / "mail"

    @property
    def shows_docs(self) -> bool:
        """Test whether anyone may read the API's description and the start page."""
        if self.public_docs is not None:
            return self.public_docs == "on"
        return self.keyshop_env is not Environment.PRODUCTION

    @property
    def uses_simulator(self) -> bool:
        """Test whether the supplier is the simulator that `keyshop up` starts."""
        return self.g2a_api_url is None

    @property
    def shop_url(self) -> str:
        """The address at which customers reach the shop."""
        return self.public_url or f"http://localhost:{self.keyshop_port}"

    @property
    def takes_demo_payments(self) -> bool:
        """
        Test whether customers top up on the demo's page, which takes no money.

        Where it was not asked for, an attached database does not have it either.
        """
        if self.payment_provider is not None:
            return self.payment_provider == "demo"
        return self.keyshop_env is not Environment.PRODUCTION

    @property
    def warnings(self) -> list[str]:
        """Settings that are valid and probably a mistake, a sentence each."""
        if self.keyshop_env is not Environment.PRODUCTION:
            return []
        sentences = {
            f"PUBLIC_URL is not set: links in mails begin with {self.shop_url}.": self.public_url,
            "SMTP_URL is not set: mails are written to a folder and not sent.": self.smtp_url,
        }
        return [sentence for sentence, value in sentences.items() if value is None]

    @property
    def trusts_qty(self) -> bool:
        """Test whether a quantity counts without the supplier's `availableToBuy`."""
        if self.g2a_trust_qty is not None:
            return self.g2a_trust_qty
        # On the supplier's sandbox the flag is false for every product.
        return self.g2a_api_url is not None and "sandbox" in (
            urlsplit(self.g2a_api_url).hostname or ""
        )

    @model_validator(mode="after")
    def _check_supplier_is_complete(self) -> Self:
        missing = _list_missing(self, _SUPPLIER)
        if 0 < len(missing) < len(_SUPPLIER):
            raise ValueError(
                f"{' and '.join(missing)} must be set too: set all of the supplier's variables,"
                " or none"
            )
        return self

    @model_validator(mode="after")
    def _check_ports_differ(self) -> Self:
        if self.uses_simulator and self.simulator_port == self.keyshop_port:
            raise ValueError("SIMULATOR_PORT and KEYSHOP_PORT must differ")
        return self

    @model_validator(mode="after")
    def _check_secrets_differ(self) -> Self:
        if self.jwt_secret is not None and self.jwt_secret == self.jwt_refresh_secret:
            raise ValueError("JWT_SECRET and JWT_REFRESH_SECRET must differ")
        return self

    @model_validator(mode="after")
    def _check_access_expires_before_refresh(self) -> Self:
        # A sign-in ends with its last refresh token, whatever expiry its access token states.
        if self.jwt_expires_in > self.jwt_refresh_expires_in:
            raise ValueError("JWT_EXPIRES_IN must not be longer than JWT_REFRESH_EXPIRES_IN")
        return self

    @model_validator(mode="after")
    def _check_production_is_complete(self) -> Self:
        missing = _list_missing(self, _REQUIRED_IN_PRODUCTION)
        if self.keyshop_env is Environment.PRODUCTION and missing:
            raise ValueError(f"In production, {', '.join(missing)} must be set")
        return self

    @model_validator(mode="after")
    def _check_production_takes_real_money(self) -> Self:
        if self.keyshop_env is Environment.PRODUCTION and self.takes_demo_payments:
            raise ValueError(
                "PAYMENT_PROVIDER must not be demo in production: it gives money for nothing"
            )
        return self

    @model_validator(mode="after")
    def _check_storefront_exists(self) -> Self:
        if self.storefront_dir is not None and not (self.storefront_dir / "index.html").is_file():
            raise ValueError("STOREFRONT_DIR must be a folder that contains an index.html")
        return self


_SUPPLIER: Final = ("g2a_api_url", "g2a_client_id", "g2a_email", "g2a_client_secret")
_REQUIRED_IN_PRODUCTION: Final = (
    "database_url",
    *_SUPPLIER,
    "jwt_secret",
    "jwt_refresh_secret",
    "key_encryption_keys",
    "webhook_secrets",
)


def _list_missing(settings: Settings, names: tuple[str, ...]) -> list[str]:
    """Return the variables, of these fields, that are not set or are empty lists."""
    return [name.upper() for name in names if not getattr(settings, name)]


def load_settings() -> Settings:
    """
    Read the environment and `.env`.

    Raises:
        SettingsError: with one sentence on the first variable that is missing or wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    """Return a sentence on the first fault, without the value, which may be a secret."""
    fault = error.errors(include_input=False, include_url=False)[0]
    text = fault["msg"].removeprefix("Value error, ").rstrip(".")
    variable = str(fault["loc"][0]).upper() + ": " if fault["loc"] else ""
    return f"{variable}{text}."
