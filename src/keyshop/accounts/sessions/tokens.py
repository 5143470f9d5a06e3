"""
What the shop signs, and how it reads that again.

An access token goes with every request and lives for minutes; a refresh token gets the next one.
Both say by `fid` to which sign-in they belong, and whether that still holds is for the database:
see `check_access` and `families`.
"""

import math
import re
from datetime import datetime, timedelta
from typing import Final

from jwt import PyJWS, PyJWTError
from msgspec import DecodeError, Struct, json

from keyshop.accounts.errors import (
    BAD_REFRESH_TOKEN,
    BAD_TOKEN,
    NOT_A_TOKEN,
    ODD_CLAIMS,
    TokenRefused,
)
from keyshop.accounts.models import Account
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret

_ALGORITHM: Final = "HS256"
_SHOP: Final = "keyshop"
_ACCESS: Final = "access"
_REFRESH: Final = "refresh"
_MAX_LENGTH: Final = 4096  # characters; ours have some hundreds
_MAX_REMEMBERED: Final = 10_000  # access tokens, of about a kilobyte each with their claims

_is_token: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+").fullmatch


class TokenSecrets(Struct, frozen=True, kw_only=True):
    """What tokens are signed with, and what they were signed with before."""

    access: Secret
    previous_access: Secret | None = None
    refresh: Secret
    previous_refresh: Secret | None = None


class Claims(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a token says; everything is required, and nothing is converted."""

    user_id: str
    email: str
    role: str
    """As it was when the token was signed; what counts is the database's."""

    iat: int
    exp: int
    typ: str
    iss: str
    aud: str
    jti: str
    fid: str


class Tokens:
    """Signs and reads the shop's tokens."""

    def __init__(
        self, secrets: TokenSecrets, *, access_life: timedelta, refresh_life: timedelta
    ) -> None:
        self.access_life: Final = access_life
        self.refresh_life: Final = refresh_life
        self._access_keys = _keys(secrets.access, secrets.previous_access)
        self._refresh_keys = _keys(secrets.refresh, secrets.previous_refresh)
        self._verified: dict[str, Claims] = {}
        self._encoder = json.Encoder()
        self._decoder = json.Decoder(Claims)
        self._jws = PyJWS(algorithms=[_ALGORITHM])

    def sign_access(self, account: Account, *, family_id: str, now: datetime) -> str:
        """Return an access token of this sign-in, good from now on for `access_life`."""
        until = now + self.access_life
        claims = _claims(_ACCESS, account, family_id, new_id(), issued_at=now, expires_at=until)
        return self._sign(claims, self._access_keys[0])

    def sign_refresh(
        self,
        account: Account,
        *,
        family_id: str,
        token_id: str,
        issued_at: datetime,
        expires_at: datetime,
    ) -> str:
        """Return the refresh token whose row is `token_id`."""
        claims = _claims(
            _REFRESH, account, family_id, token_id, issued_at=issued_at, expires_at=expires_at
        )
        return self._sign(claims, self._refresh_keys[0])

    def read_access(self, token: str, *, now: datetime) -> Claims:
        """
        Return what an access token says, whose signature is looked at once.

        Raises:
            TokenRefused: it is none of ours, no access token, or over.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token, self._access_keys)
            _demand(claims, _ACCESS, now=now)
            self._remember(token, claims)
        elif claims.exp <= now.timestamp():
            del self._verified[token]
            raise TokenRefused(BAD_TOKEN)
        return claims

    def read_refresh(self, token: str, *, now: datetime) -> Claims:
        """
        Return what a refresh token says.

        Raises:
            TokenRefused: it is none of ours, no refresh token, or over.
        """
        try:
            claims = self._verify(token, self._refresh_keys)
            _demand(claims, _REFRESH, now=now)
        except TokenRefused as error:
            raise TokenRefused(BAD_REFRESH_TOKEN) from error
        return claims

    def _sign(self, claims: Claims, key: bytes) -> str:
        return self._jws.encode(self._encoder.encode(claims), key, _ALGORITHM)

    def _verify(self, token: str, keys: tuple[bytes, ...]) -> Claims:
        if len(token) > _MAX_LENGTH or _is_token(token) is None:
            raise TokenRefused(NOT_A_TOKEN)
        try:
            return self._decoder.decode(self._open(token, keys))
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TokenRefused(ODD_CLAIMS) from error

    def _open(self, token: str, keys: tuple[bytes, ...]) -> bytes:
        """Return the signed text, under the first of the keys that fits."""
        for key in keys:
            try:
                payload: bytes = self._jws.decode(token, key, algorithms=[_ALGORITHM])
            except PyJWTError:
                continue
            return payload
        raise TokenRefused(BAD_TOKEN)

    def _remember(self, token: str, claims: Claims) -> None:
        if len(self._verified) >= _MAX_REMEMBERED:
            # The one remembered for longest is the likeliest to be over.
            del self._verified[next(iter(self._verified))]
        self._verified[token] = claims


def _claims(
    kind: str,
    account: Account,
    family_id: str,
    token_id: str,
    *,
    issued_at: datetime,
    expires_at: datetime,
) -> Claims:
    return Claims(
        user_id=account.id,
        email=account.email,
        role=account.role,
        iat=math.floor(issued_at.timestamp()),
        exp=math.floor(expires_at.timestamp()),
        typ=kind,
        iss=_SHOP,
        aud=_SHOP,
        jti=token_id,
        fid=family_id,
    )


def _demand(claims: Claims, kind: str, *, now: datetime) -> None:
    """
    Refuse claims of another kind, another shop or another time.

    Raises:
        TokenRefused: they are.
    """
    if (claims.typ, claims.iss, claims.aud) != (kind, _SHOP, _SHOP):
        raise TokenRefused(ODD_CLAIMS)
    if claims.exp <= now.timestamp():
        raise TokenRefused(BAD_TOKEN)


def _keys(current: Secret, previous: Secret | None) -> tuple[bytes, ...]:
    """Return the key that signs, and after it those that are accepted as well."""
    return tuple(secret.reveal().encode() for secret in (current, previous) if secret)
