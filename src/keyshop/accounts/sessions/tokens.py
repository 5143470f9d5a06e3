"""
Sign and verify access and refresh tokens (JSON Web Tokens).

An access token goes with every request and lives for minutes; a refresh token gets the next one.
Both name their sign-in by `fid`. Only the database knows whether it is still live: see
`check_access` and `families`.
"""

import math
import re
from datetime import datetime, timedelta
from typing import Final

from jwt import PyJWS, PyJWTError
from msgspec import DecodeError, Struct, json

from keyshop.accounts.errors import (
    BAD_CLAIMS,
    BAD_REFRESH_TOKEN,
    BAD_TOKEN,
    NOT_A_TOKEN,
    TokenRefused,
)
from keyshop.accounts.models import Account
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret

_ALGORITHM: Final = "HS256"
_SHOP: Final = "keyshop"
_ACCESS: Final = "access"
_REFRESH: Final = "refresh"
_MAX_LENGTH: Final = 4096  # characters; valid ones have a few hundred
_MAX_VERIFIED: Final = 10_000  # access tokens; one takes about a kilobyte with its claims

_is_token: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+").fullmatch


class TokenSecrets(Struct, frozen=True, kw_only=True):
    """The keys that sign tokens, and the previous keys, which are only accepted."""

    access: Secret
    previous_access: Secret | None = None
    refresh: Secret
    previous_refresh: Secret | None = None


class Claims(Struct, frozen=True, kw_only=True, rename="camel"):
    """The claims of a token: all are required, and none is converted to another type."""

    user_id: str
    email: str
    role: str
    """As it was when the token was signed; the role in the database counts."""

    iat: int
    exp: int
    typ: str
    iss: str
    aud: str
    jti: str
    fid: str


class Tokens:
    def __init__(
        self, secrets: TokenSecrets, *, access_lifetime: timedelta, refresh_lifetime: timedelta
    ) -> None:
        self.access_lifetime: Final = access_lifetime
        self.refresh_lifetime: Final = refresh_lifetime
        self._access_keys = _keys(secrets.access, secrets.previous_access)
        self._refresh_keys = _keys(secrets.refresh, secrets.previous_refresh)
        self._verified: dict[str, Claims] = {}
        self._encoder = json.Encoder()
        self._decoder = json.Decoder(Claims)
        self._jws = PyJWS(algorithms=[_ALGORITHM])

    def sign_access(self, account: Account, *, family_id: str, now: datetime) -> str:
        """Return an access token of this sign-in; it expires after `access_lifetime`."""
        expires_at = now + self.access_lifetime
        claims = _claims(
            _ACCESS, account, family_id, new_id(), issued_at=now, expires_at=expires_at
        )
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
        """Return the refresh token that is stored as `token_id`."""
        claims = _claims(
            _REFRESH, account, family_id, token_id, issued_at=issued_at, expires_at=expires_at
        )
        return self._sign(claims, self._refresh_keys[0])

    def read_access(self, token: str, *, now: datetime) -> Claims:
        """
        Return the claims of an access token; its signature is verified once per process.

        Raises:
            TokenRefused: it is not an access token of the shop, or has expired.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verify(token, self._access_keys)
            _check_claims(claims, _ACCESS, now=now)
            self._remember(token, claims)
        elif claims.exp <= now.timestamp():
            del self._verified[token]
            raise TokenRefused(BAD_TOKEN)
        return claims

    def read_refresh(self, token: str, *, now: datetime) -> Claims:
        """
        Return the claims of a refresh token.

        Raises:
            TokenRefused: it is not a refresh token of the shop, or has expired.
        """
        try:
            claims = self._verify(token, self._refresh_keys)
            _check_claims(claims, _REFRESH, now=now)
        except TokenRefused as error:
            raise TokenRefused(BAD_REFRESH_TOKEN) from error
        return claims

    def _sign(self, claims: Claims, key: bytes) -> str:
        return self._jws.encode(self._encoder.encode(claims), key, _ALGORITHM)

    def _verify(self, token: str, keys: tuple[bytes, ...]) -> Claims:
        if len(token) > _MAX_LENGTH or _is_token(token) is None:
            raise TokenRefused(NOT_A_TOKEN)
        try:
            return self._decoder.decode(self._verify_signature(token, keys))
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TokenRefused(BAD_CLAIMS) from error

    def _verify_signature(self, token: str, keys: tuple[bytes, ...]) -> bytes:
        """Return the payload, verified with the first key that matches."""
        for key in keys:
            try:
                payload: bytes = self._jws.decode(token, key, algorithms=[_ALGORITHM])
            except PyJWTError:
                continue
            return payload
        raise TokenRefused(BAD_TOKEN)

    def _remember(self, token: str, claims: Claims) -> None:
        if len(self._verified) >= _MAX_VERIFIED:
            # The oldest entry is the likeliest to have expired.
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


def _check_claims(claims: Claims, kind: str, *, now: datetime) -> None:
    if (claims.typ, claims.iss, claims.aud) != (kind, _SHOP, _SHOP):
        raise TokenRefused(BAD_CLAIMS)
    if claims.exp <= now.timestamp():
        raise TokenRefused(BAD_TOKEN)


def _keys(current: Secret, previous: Secret | None) -> tuple[bytes, ...]:
    """Return the key that signs, then the key that is only accepted."""
    return tuple(secret.reveal().encode() for secret in (current, previous) if secret)
