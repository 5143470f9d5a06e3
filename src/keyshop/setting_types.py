"""
The types of settings: how a variable's text becomes a value, and how a wrong text is refused.

A refusal continues a sentence that begins with the variable's name, and never repeats the text: it
may be a secret.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.dsn import BadDatabaseUrl, clean_dsn
from keyshop.kit.errors import Invalid
from keyshop.kit.sealing import KeyRing

_DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_DURATION: Final = timedelta(days=3650)
_MIN_ACCESS_LIFETIME: Final = timedelta(minutes=1)
# A browser's timer counts milliseconds in 32 bits; beyond them it fires at once, again and again.
_MAX_ACCESS_LIFETIME: Final = timedelta(seconds=2_147_483)
_MIN_SECRET_LENGTH: Final = 32  # characters


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _parse_duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2] or "s"] if match else 0
    if not 0 < seconds <= _MAX_DURATION.total_seconds():
        raise ValueError("must be a duration such as 90s, 15m, 1h or 30d, ten years at most")
    return timedelta(seconds=seconds)


def _check_access_lifetime(value: timedelta) -> timedelta:
    if not _MIN_ACCESS_LIFETIME <= value <= _MAX_ACCESS_LIFETIME:
        raise ValueError("must be at least one minute and at most 2147483 seconds (24d)")
    return value


def _check_database_url(value: str) -> str:
    try:
        clean_dsn(value)
    except BadDatabaseUrl as error:
        raise ValueError(str(error).removeprefix("DATABASE_URL").lstrip(": ")) from None
    return value


def _split_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when it is read
    except ValueError:
        raise ValueError("must be a URL") from None
    return parts


def _check_redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    _without_name("REDIS_URL", lambda: parse_address(value))
    return value


def _check_web_address(value: str) -> str:
    parts = _split_url(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError("must be an address such as https://shop.example")
    return value.rstrip("/")


def _check_origin(value: str) -> str:
    address = _check_web_address(value)
    if urlsplit(address).path:
        raise ValueError("must be an address such as https://shop.example, without a path")
    return address.lower()  # as browsers send origins


def _check_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _MIN_SECRET_LENGTH:
        raise ValueError(f"must have at least {_MIN_SECRET_LENGTH} characters")
    return value


def _check_encryption_keys(value: tuple[str, ...]) -> tuple[str, ...]:
    if value:
        _without_name("KEY_ENCRYPTION_KEYS", lambda: KeyRing.parse(value))
    return value


def _check_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of text")
    return value


def _check_lines(value: str) -> str:
    if not all(line.isprintable() for line in value.split("\n")):
        raise ValueError("must be lines of text")
    return value


def _check_smtp_url(value: SecretStr) -> SecretStr:
    _without_name("SMTP_URL", lambda: parse_smtp_url(value.get_secret_value()))
    return value


def _check_sender(value: str) -> str:
    _without_name("MAIL_FROM", lambda: parse_sender(value))
    return value


def _without_name(variable: str, parse: Callable[[], object]) -> None:
    """Parse; drop the variable's name from a refusal, because `Settings` adds it."""
    try:
        parse()
    except Invalid as error:
        raise ValueError(str(error).removeprefix(f"{variable}: ")) from None


def _parse_network(value: object) -> object:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError(
            "must be addresses such as 10.0.0.7 or networks such as 10.0.0.0/8"
        ) from None


def _expand_folder(value: Path) -> Path:
    # No shell expands the ~ in a `.env` file.
    try:
        return value.expanduser().absolute()
    except RuntimeError:
        raise ValueError("names the home of an account that does not exist") from None


def _check_home(value: Path) -> Path:
    # PostgreSQL's files have a path to a line, and its answers are UTF-8.
    if not str(value).isprintable():
        raise ValueError(
            "its name has a control character, or one that is not UTF-8; choose another folder"
        )
    return value


CommaList = BeforeValidator(_split_commas)

DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
RedisUrl = Annotated[str, AfterValidator(_check_redis_url)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
Origin = Annotated[str, AfterValidator(_check_origin)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_parse_network)]
Port = Annotated[int, Field(ge=1, le=65535)]
Folder = Annotated[Path, AfterValidator(_expand_folder)]
Home = Annotated[Folder, AfterValidator(_check_home)]
Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]
AccessLifetime = Annotated[Duration, AfterValidator(_check_access_lifetime)]
LongSecret = Annotated[SecretStr, AfterValidator(_check_secret)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_check_smtp_url)]
Sender = Annotated[str, AfterValidator(_check_sender)]

Line = Annotated[str, AfterValidator(_check_line)]
Lines = Annotated[str, AfterValidator(_check_lines)]

EncryptionKeys = Annotated[
    tuple[str, ...], NoDecode, CommaList, AfterValidator(_check_encryption_keys)
]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, CommaList]
LongSecrets = Annotated[tuple[LongSecret, ...], NoDecode, CommaList]
Origins = Annotated[tuple[Origin, ...], NoDecode, CommaList]
Networks = Annotated[tuple[Network, ...], NoDecode, CommaList]
