"""
Everything that differs between a laptop, the tests and production.

Read once, from the environment and then from `.env`; no other module knows that an environment
exists. A wrong value is refused with one sentence that names the variable.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from keyshop.catalog.rules import PriceBasis
from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.kit.dsn import BadDatabaseUrl, clean_dsn
from keyshop.kit.errors import Invalid


class SettingsError(Invalid):
    """A variable is missing or has a value that cannot be meant."""


class Environment(StrEnum):
    """Where the shop runs."""

    DEVELOPMENT = "development"  # embedded servers and the simulator stand in for what is not given
    TEST = "test"  # as development, for the suite
    PRODUCTION = "production"  # nothing embedded; every secret must be given


_DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECRET_LENGTH: Final = 32  # characters
_MAX_DURATION: Final = timedelta(days=3650)
_MIN_ACCESS: Final = timedelta(minutes=1)
# A browser's timer has 32 bits for milliseconds; beyond them it would refresh without end.
_MAX_ACCESS: Final = timedelta(seconds=2_147_483)


def _split(value: object) -> object:
    """Turn a comma list into its parts."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _duration(value: object) -> object:
    """Turn `90s`, `15m`, `1h`, `30d` or a number of seconds into a duration."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2] or "s"] if match else 0
    if not 0 < seconds <= _MAX_DURATION.total_seconds():
        raise ValueError("give a duration such as 90s, 15m, 1h or 30d, of ten years at most")
    return timedelta(seconds=seconds)


def _database_url(value: str) -> str:
    try:
        clean_dsn(value)
    except BadDatabaseUrl as error:
        raise ValueError(str(error).removeprefix("DATABASE_URL").lstrip(": ")) from None
    return value


def _parts(address: str) -> SplitResult:
    """Split an address, without repeating it in the sentence that refuses it."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # looked at only when asked for
    except ValueError:
        raise ValueError("give an address; this is none") from None
    return parts


def _redis_url(value: str) -> str:
    if _parts(value).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("give an address that begins with redis://, rediss:// or unix://")
    return value


def _web_address(value: str) -> str:
    parts = _parts(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError("give an address such as https://shop.example")
    return value.rstrip("/")


def _origin(value: str) -> str:
    address = _web_address(value)
    if urlsplit(address).path:
        raise ValueError("give origins such as https://shop.example, without a path")
    return address.lower()  # as browsers name them


def _long_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SECRET_LENGTH:
        raise ValueError(f"give at least {_SECRET_LENGTH} characters")
    return value


def _encryption_key(value: str) -> str:
    version, _, encoded = value.partition(":")
    try:
        length = len(b64decode(encoded, validate=True))
    except Base64Error:
        length = 0
    if not version.isdigit() or length != _SECRET_LENGTH:
        raise ValueError("give version:base64 pairs, each key of 32 bytes")
    return value


def _mail_server(value: SecretStr) -> SecretStr:
    try:
        parse_smtp_url(value.get_secret_value())
    except Invalid as error:
        raise ValueError(str(error).removeprefix("SMTP_URL: ")) from None
    return value


def _sender(value: str) -> str:
    try:
        parse_sender(value)
    except Invalid as error:
        raise ValueError(str(error).removeprefix("MAIL_FROM: ")) from None
    return value


def _network(value: object) -> object:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError("give addresses such as 10.0.0.7 or networks such as 10.0.0.0/8") from None


def _folder(value: Path) -> Path:
    # `.env` is read by no shell that would put the user's folder in the place of ~.
    try:
        return value.expanduser().absolute()
    except RuntimeError:
        raise ValueError("names the home of an account that does not exist") from None


def _access_life(value: timedelta) -> timedelta:
    if not _MIN_ACCESS <= value <= _MAX_ACCESS:
        raise ValueError("give a minute at least, and 2147483 seconds (24d) at most")
    return value


_Secret = Annotated[SecretStr, AfterValidator(_long_secret)]
_Duration = Annotated[timedelta, BeforeValidator(_duration)]
_WebAddress = Annotated[str, AfterValidator(_web_address)]
_Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
_Folder = Annotated[Path, AfterValidator(_folder)]
_Port = Annotated[int, Field(ge=1, le=65535)]


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
    keyshop_home: _Folder = Field(
        default_factory=lambda: user_data_path("keyshop", appauthor=False)
    )
    keyshop_host: str = "127.0.0.1"
    keyshop_port: _Port = 8000
    keyshop_workers: Annotated[int, Field(ge=1, le=256)] = 1

    # Both may hold a password.
    database_url: Annotated[str, AfterValidator(_database_url)] | None = Field(
        default=None, repr=False
    )
    redis_url: Annotated[str, AfterValidator(_redis_url)] | None = Field(default=None, repr=False)
    cache_mode: Literal["on", "off"] = "on"

    g2a_api_url: _WebAddress | None = None
    g2a_client_id: str | None = None
    g2a_email: str | None = None
    g2a_client_secret: SecretStr | None = None
    g2a_requests_per_minute: Annotated[int, Field(ge=1)] = 600
    g2a_price_basis: PriceBasis = PriceBasis.HIGHEST
    g2a_trust_qty: bool | None = None

    simulator_port: _Port = 8001
    simulator_products: Annotated[int, Field(ge=0, le=1_000_000)] = 2000
    simulator_seed: int = 1

    jwt_secret: _Secret | None = None
    jwt_refresh_secret: _Secret | None = None
    jwt_previous_secret: _Secret | None = None
    jwt_refresh_previous_secret: _Secret | None = None
    jwt_expires_in: Annotated[_Duration, AfterValidator(_access_life)] = timedelta(hours=1)
    jwt_refresh_expires_in: _Duration = timedelta(days=30)
    key_encryption_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_encryption_key)], ...],
        NoDecode,
        BeforeValidator(_split),
    ] = Field(default=(), repr=False)
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = ()

    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] | None = None
    mail_from: Annotated[str, AfterValidator(_sender)] = "keyshop@localhost"
    # The pages behind mailed links stand at the root.
    public_url: Annotated[str, AfterValidator(_origin)] | None = None
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)
    ] = ()
    trusted_proxies: Annotated[tuple[_Network, ...], NoDecode, BeforeValidator(_split)] = ()
    storefront_dir: _Folder | None = None

    cart_max_quantity: Annotated[int, Field(ge=1, le=9999)] = 99
    cart_max_lines: Annotated[int, Field(ge=1, le=1000)] = 100

    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def metrics_folder(self) -> Path:
        """Return where all processes of the shop count."""
        return self.keyshop_home / "metrics"

    @property
    def mail_folder(self) -> Path:
        """Return where mails are written while there is no mail server."""
        return self.keyshop_home / "mail"

    @property
    def uses_simulator(self) -> bool:
        """Test whether the supplier is the simulator that `keyshop up` starts."""
        return self.g2a_api_url is None

    @property
    def shop_url(self) -> str:
        """Return the address under which customers reach the shop."""
        return self.public_url or f"http://localhost:{self.keyshop_port}"

    @property
    def doubts(self) -> list[str]:
        """Return what is allowed and hardly meant, a sentence each."""
        if self.keyshop_env is not Environment.PRODUCTION:
            return []
        told = {
            f"PUBLIC_URL is not set: links in mails begin with {self.shop_url}.": self.public_url,
            "SMTP_URL is not set: mails are written to a folder and sent to nobody.": self.smtp_url,
        }
        return [sentence for sentence, value in told.items() if value is None]

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
    def _supplier_is_given_whole_or_not_at_all(self) -> Self:
        _refuse_parts(self)
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.uses_simulator and self.simulator_port == self.keyshop_port:
            raise ValueError("SIMULATOR_PORT and KEYSHOP_PORT must differ")
        return self

    @model_validator(mode="after")
    def _secrets_differ(self) -> Self:
        if self.jwt_secret is not None and self.jwt_secret == self.jwt_refresh_secret:
            raise ValueError("JWT_SECRET and JWT_REFRESH_SECRET must differ")
        return self

    @model_validator(mode="after")
    def _access_ends_before_refresh(self) -> Self:
        # With its last refresh token a sign-in is over, whatever its access token says.
        if self.jwt_expires_in > self.jwt_refresh_expires_in:
            raise ValueError("JWT_EXPIRES_IN must not be longer than JWT_REFRESH_EXPIRES_IN")
        return self

    @model_validator(mode="after")
    def _production_needs_all(self) -> Self:
        if self.keyshop_env is Environment.PRODUCTION:
            _refuse_missing(self, _NEEDED_IN_PRODUCTION)
        return self

    @model_validator(mode="after")
    def _storefront_exists(self) -> Self:
        if self.storefront_dir is not None and not (self.storefront_dir / "index.html").is_file():
            raise ValueError("STOREFRONT_DIR names no folder with an index.html")
        return self


_SUPPLIER: Final = ("g2a_api_url", "g2a_client_id", "g2a_email", "g2a_client_secret")
_NEEDED_IN_PRODUCTION: Final = (
    "database_url",
    *_SUPPLIER,
    "jwt_secret",
    "jwt_refresh_secret",
    "key_encryption_keys",
    "webhook_secrets",
)


def _refuse_parts(settings: Settings) -> None:
    given = [name for name in _SUPPLIER if getattr(settings, name) is not None]
    if given and len(given) < len(_SUPPLIER):
        missing = [name.upper() for name in _SUPPLIER if name not in given]
        raise ValueError(
            f"{' and '.join(missing)} must be given too, or none of the supplier's variables"
        )


def _refuse_missing(settings: Settings, needed: tuple[str, ...]) -> None:
    missing = [name.upper() for name in needed if not getattr(settings, name)]
    if missing:
        raise ValueError(f"in production {', '.join(missing)} must be given")


def load_settings() -> Settings:
    """
    Read the environment and `.env`.

    Raises:
        SettingsError: with one sentence on the first variable that is missing or wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Tell the first fault; never the value, which may be a secret."""
    fault = error.errors(include_input=False, include_url=False)[0]
    told = fault["msg"].removeprefix("Value error, ").rstrip(".")
    variable = str(fault["loc"][0]).upper() + ": " if fault["loc"] else ""
    return f"{variable}{told}."
