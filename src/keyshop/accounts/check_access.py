"""Check the access token of a request."""

from datetime import datetime
from typing import Final

from msgspec import json

from keyshop.accounts.errors import TokenRefused
from keyshop.accounts.models import SignedIn
from keyshop.accounts.sessions import queries
from keyshop.accounts.sessions.queries import Access
from keyshop.accounts.sessions.tokens import Tokens
from keyshop.cache_keys import USER_ACCESS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database

_DECODER: Final = json.Decoder(Access)
_ENCODER: Final = json.Encoder()


async def check_access(
    db: Database, cache: Cache, tokens: Tokens, bearer: str, *, now: datetime
) -> SignedIn:
    """
    Return the account that the access token belongs to, with its current role.

    Each process verifies a signature once. Whether the sign-in is still live is read from the cache
    at every request; a change of the account or of one of its sign-ins invalidates that entry.

    Raises:
        TokenRefused: the token is not valid, has expired, or its sign-in was revoked.
    """
    claims = tokens.read_access(bearer, now=now)

    async def load() -> Loaded:
        async with db.read() as reader:
            access = await queries.find_access(reader, claims.user_id)
        return Loaded(None if access is None else _ENCODER.encode(access))

    encoded = await cache.read(USER_ACCESS.find_key(user=claims.user_id), load, now=now)
    access = None if encoded is None else _DECODER.decode(encoded)
    if access is None or claims.fid not in access.families:
        raise TokenRefused
    return SignedIn(
        user_id=claims.user_id, email=claims.email, role=access.role, family_id=claims.fid
    )
